-- Evidence packages that were asked for on the page or through the API. See schema.sql.

CREATE TABLE export (
  package    TEXT PRIMARY KEY,
  case_id    INTEGER NOT NULL REFERENCES case_file,
  case_no    TEXT NOT NULL,
  reason     TEXT NOT NULL,
  basis      TEXT NOT NULL,
  recipient  TEXT,
  lang       TEXT NOT NULL,
  target     TEXT NOT NULL,
  disc_bytes INTEGER,
  asked_by   TEXT NOT NULL,
  via        TEXT NOT NULL CHECK (via IN ('web', 'api', 'cli')),
  from_where TEXT NOT NULL,
  asked_ms   INTEGER NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('asked', 'refused', 'making', 'failed', 'ready')),
  second_by  TEXT,
  second_ms  INTEGER,
  words      TEXT,
  discs      INTEGER,
  clips      INTEGER,
  bytes      INTEGER,
  ended_ms   INTEGER,
  CHECK ((second_by IS NULL) = (second_ms IS NULL)),
  CHECK (state <> 'ready' OR (discs > 0 AND clips IS NOT NULL AND bytes IS NOT NULL AND ended_ms IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX export_open ON export (asked_ms) WHERE state IN ('asked', 'making');
CREATE INDEX export_case ON export (case_id, asked_ms);
