-- Filing of cases (归档) and disposal after appraisal (鉴定销毁). See schema.sql.

ALTER TABLE clip ADD COLUMN disposed_ms INTEGER;
CREATE INDEX clip_disposed ON clip (disposed_ms) WHERE disposed_ms IS NOT NULL;
ALTER TABLE hold_order ADD COLUMN basis TEXT;

CREATE TABLE filing (
  filing_id     INTEGER PRIMARY KEY,
  case_id       INTEGER NOT NULL REFERENCES case_file,
  closed_by     TEXT NOT NULL,
  closed_ms     INTEGER NOT NULL,
  bound_by      TEXT,
  bound_ms      INTEGER,
  fonds_no      TEXT,
  year          INTEGER,
  archival_code TEXT,
  title         TEXT,
  term          TEXT,
  filed_by      TEXT,
  filed_ms      INTEGER,
  opinion       TEXT,
  report        TEXT,
  asked_by      TEXT,
  asked_why     TEXT,
  asked_ms      INTEGER,
  reopened_by   TEXT,
  reopened_ms   INTEGER,
  CHECK ((bound_ms IS NULL) = (bound_by IS NULL) AND (bound_ms IS NULL OR (fonds_no IS NOT NULL AND year IS NOT NULL AND archival_code IS NOT NULL AND term IS NOT NULL))),
  CHECK ((filed_ms IS NULL) = (filed_by IS NULL) AND (filed_ms IS NULL OR (bound_ms IS NOT NULL AND opinion IS NOT NULL AND report IS NOT NULL))),
  CHECK ((reopened_ms IS NULL) = (reopened_by IS NULL)),
  CHECK (reopened_ms IS NULL OR filed_ms IS NULL OR (asked_by IS NOT NULL AND reopened_by <> asked_by))
) STRICT;
CREATE UNIQUE INDEX filing_standing ON filing (case_id) WHERE reopened_ms IS NULL;
CREATE UNIQUE INDEX filing_code ON filing (fonds_no, archival_code) WHERE reopened_ms IS NULL AND archival_code IS NOT NULL;
CREATE TABLE filing_clip (
  filing_id     INTEGER NOT NULL REFERENCES filing,
  clip_id       TEXT NOT NULL REFERENCES clip,
  keep_until_ms INTEGER,
  basis         TEXT NOT NULL,
  PRIMARY KEY (filing_id, clip_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX filing_clip_clip ON filing_clip (clip_id);

CREATE TABLE disposal (
  disposal_id INTEGER PRIMARY KEY,
  opinion     TEXT NOT NULL,
  basis       TEXT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('asked', 'refused', 'going', 'done')),
  asked_by    TEXT NOT NULL,
  asked_ms    INTEGER NOT NULL,
  second_by   TEXT,
  second_ms   INTEGER,
  ended_ms    INTEGER,
  CHECK ((second_by IS NULL) = (second_ms IS NULL)),
  CHECK (state IN ('asked', 'refused') OR (second_by IS NOT NULL AND second_by <> asked_by))
) STRICT;
CREATE INDEX disposal_open ON disposal (state) WHERE state IN ('asked', 'going');
CREATE TABLE disposal_item (
  disposal_id INTEGER NOT NULL REFERENCES disposal,
  clip_id     TEXT NOT NULL REFERENCES clip,
  over_ms     INTEGER NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('asked', 'refused', 'kept', 'going', 'gone')),
  why         TEXT,
  intent_seq  INTEGER,
  gone_ms     INTEGER,
  gone_seq    INTEGER,
  PRIMARY KEY (disposal_id, clip_id),
  CHECK (state NOT IN ('going', 'gone') OR intent_seq IS NOT NULL),
  CHECK ((state = 'gone') = (gone_ms IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX disposal_item_once ON disposal_item (clip_id) WHERE state IN ('asked', 'going', 'gone');
CREATE INDEX disposal_item_going ON disposal_item (state) WHERE state IN ('asked', 'going');
CREATE TABLE disposal_copy (
  clip_id     TEXT NOT NULL REFERENCES clip,
  destination TEXT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('stands', 'removed')),
  until_ms    INTEGER,
  why         TEXT NOT NULL,
  at_ms       INTEGER NOT NULL,
  PRIMARY KEY (clip_id, destination)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER disposal_kept BEFORE DELETE ON disposal BEGIN SELECT RAISE(ABORT, 'records of disposal are never removed'); END;
CREATE TRIGGER disposal_item_kept BEFORE DELETE ON disposal_item BEGIN SELECT RAISE(ABORT, 'records of disposal are never removed'); END;
