-- Register of recorders at the gate, issue and return, giving space on recorders back. See schema.sql.

CREATE TABLE device (
  device_id     INTEGER PRIMARY KEY,
  device_key    TEXT NOT NULL UNIQUE,
  vendor_id     INTEGER NOT NULL CHECK (vendor_id BETWEEN 0 AND 65535),
  product_id    INTEGER NOT NULL CHECK (product_id BETWEEN 0 AND 65535),
  name          TEXT NOT NULL DEFAULT '',
  state         TEXT NOT NULL DEFAULT 'unknown' CHECK (state IN ('unknown', 'approved', 'refused', 'in_repair', 'retired')),
  reason        TEXT,
  decided_by    TEXT,
  decided_ms    INTEGER,
  recorder_id   TEXT REFERENCES recorder,
  volume_id     TEXT,
  port          TEXT,
  bay           TEXT,
  first_seen_ms INTEGER,
  last_seen_ms  INTEGER,
  CHECK (state = 'unknown' OR (decided_by IS NOT NULL AND decided_ms IS NOT NULL))
) STRICT;
CREATE INDEX device_by_recorder ON device (recorder_id) WHERE recorder_id IS NOT NULL;

CREATE TABLE issue (
  issue_id    INTEGER PRIMARY KEY,
  recorder    TEXT NOT NULL,
  named       TEXT NOT NULL,
  officer     TEXT NOT NULL,
  case_raw    TEXT,
  case_key    TEXT,
  place       TEXT,
  matter      TEXT,
  from_ms     INTEGER NOT NULL,
  due_ms      INTEGER,
  to_ms       INTEGER,
  ended       TEXT CHECK (ended IN ('returned', 'reissued')),
  issued_by   TEXT NOT NULL,
  ended_by    TEXT,
  CHECK ((to_ms IS NULL) = (ended IS NULL))
) STRICT;
CREATE INDEX issue_by_recorder ON issue (recorder, from_ms);
CREATE UNIQUE INDEX issue_open ON issue (recorder) WHERE to_ms IS NULL;

ALTER TABLE sighting ADD COLUMN intent_seq INTEGER;
ALTER TABLE sighting ADD COLUMN erased_ms INTEGER;
ALTER TABLE sighting ADD COLUMN erase_note TEXT;
CREATE INDEX sighting_intended ON sighting (recorder_id) WHERE state = 'erase_intended';
