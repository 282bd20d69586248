-- Registers and their imports, what rules suggest and people decided about it, and why a record is missing. See schema.sql.

ALTER TABLE clip_index ADD COLUMN triage INTEGER;
ALTER TABLE clip_index ADD COLUMN recorder_id TEXT;
UPDATE clip_index SET triage = CASE WHEN missing_count > 0 THEN max(5 - missing_count, 0) END,
  recorder_id = (SELECT c.recorder_id FROM clip c WHERE c.clip_id = clip_index.clip_id);
CREATE INDEX clip_index_recorder ON clip_index (recorder_id, captured_start_ms);
CREATE INDEX clip_index_triage ON clip_index (triage, clip_id) WHERE triage IS NOT NULL;

CREATE TABLE register_import (
  import_id INTEGER PRIMARY KEY,
  register  TEXT NOT NULL CHECK (register IN ('unit', 'officer', 'recorder', 'party', 'case', 'catalogue')),
  name      TEXT NOT NULL,
  entries   INTEGER NOT NULL,
  added     INTEGER NOT NULL,
  changed   INTEGER NOT NULL,
  actor     TEXT NOT NULL,
  at_ms     INTEGER NOT NULL,
  undone_by TEXT,
  undone_ms INTEGER,
  CHECK ((undone_by IS NULL) = (undone_ms IS NULL))
) STRICT;
CREATE TABLE register_entry (
  register  TEXT NOT NULL CHECK (register IN ('unit', 'officer', 'recorder', 'party', 'case', 'catalogue')),
  entry_key TEXT NOT NULL,
  name      TEXT NOT NULL,
  loose     TEXT NOT NULL,
  entry     TEXT NOT NULL,
  line      INTEGER NOT NULL,
  case_id   INTEGER REFERENCES case_file,
  opened_ms INTEGER,
  import_id INTEGER NOT NULL REFERENCES register_import,
  at_ms     INTEGER NOT NULL,
  PRIMARY KEY (register, entry_key),
  CHECK ((case_id IS NULL) = (register <> 'case'))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX register_entry_case ON register_entry (case_id) WHERE case_id IS NOT NULL;
CREATE INDEX register_entry_opened ON register_entry (opened_ms) WHERE opened_ms IS NOT NULL;
CREATE TABLE case_earlier (
  case_key TEXT NOT NULL,
  case_id  INTEGER NOT NULL REFERENCES case_file,
  PRIMARY KEY (case_key, case_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX case_earlier_case ON case_earlier (case_id);
CREATE TABLE register_before (
  import_id INTEGER NOT NULL REFERENCES register_import,
  register  TEXT NOT NULL,
  entry_key TEXT NOT NULL,
  before    TEXT,
  before_import INTEGER REFERENCES register_import,
  opened    INTEGER NOT NULL DEFAULT 0 CHECK (opened IN (0, 1)),
  numbers   TEXT NOT NULL DEFAULT '[]',
  PRIMARY KEY (import_id, entry_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE suggestion (
  suggestion_id INTEGER PRIMARY KEY,
  clip_id    TEXT NOT NULL REFERENCES clip ON DELETE CASCADE,
  case_key   TEXT NOT NULL,
  raw        TEXT NOT NULL,
  rule       TEXT NOT NULL,
  score      INTEGER NOT NULL CHECK (score BETWEEN 0 AND 100),
  reason     TEXT NOT NULL,
  stage      TEXT, matter TEXT, proves TEXT,
  state      TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'accepted', 'refused', 'linked', 'gone')),
  made_ms    INTEGER NOT NULL,
  decided_by TEXT,
  decided_ms INTEGER,
  UNIQUE (clip_id, case_key)
) STRICT;
CREATE INDEX suggestion_open ON suggestion (clip_id) WHERE state = 'open';

CREATE TABLE no_record (
  no_record_id INTEGER PRIMARY KEY,
  case_id      INTEGER NOT NULL REFERENCES case_file,
  matter       TEXT NOT NULL,
  written      INTEGER NOT NULL CHECK (written IN (0, 1)),
  reason       TEXT NOT NULL,
  actor        TEXT NOT NULL,
  at_ms        INTEGER NOT NULL
) STRICT;
CREATE INDEX no_record_case ON no_record (case_id);
