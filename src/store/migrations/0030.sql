-- What the filing check compared, which entry tells the digest of a signed report, and repairs of any recorder. See schema.sql.

-- The filing check compares the data of each clip (真实): when it began, in each round of filing. The newest beginning counts.
CREATE TABLE filing_check (
  filing_id INTEGER PRIMARY KEY REFERENCES filing,
  begun_by  TEXT NOT NULL,                           -- kind:id of the actor
  begun_ms  INTEGER NOT NULL
) STRICT;
-- How a clip was compared for it: the words of evidock verify about its file, its sealing in the log and its record, and the
-- newest comparison of a copy elsewhere.
CREATE TABLE filing_compared (
  filing_id INTEGER NOT NULL REFERENCES filing,
  clip_id   TEXT NOT NULL REFERENCES clip,
  at_ms     INTEGER NOT NULL,
  outcome   TEXT NOT NULL CHECK (outcome IN ('same', 'differs', 'unreached')),
  local     TEXT NOT NULL,
  log       TEXT NOT NULL,
  record    TEXT NOT NULL,
  cloud     TEXT,                                    -- the destination, how it was compared there, and when
  cloud_how TEXT,
  cloud_ms  INTEGER,
  detail    TEXT,                                    -- what is wrong, in words
  PRIMARY KEY (filing_id, clip_id),
  CHECK ((cloud IS NULL) = (cloud_ms IS NULL) AND (cloud IS NULL) = (cloud_how IS NULL))
) STRICT, WITHOUT ROWID;
-- The entry of the log that tells the digest of the report that was signed. Rounds that were filed earlier have none.
CREATE TABLE filing_signed (
  filing_id INTEGER PRIMARY KEY REFERENCES filing,
  seq       INTEGER NOT NULL
) STRICT;

-- Repairs and retirements of recorders (维修, 停用), and that they came back into use: one row each time that somebody said so. By
-- the recorder's key, whether a device at the gate is known for it or not; the newest row is how it stands.
CREATE TABLE recorder_mark (
  mark_id  INTEGER PRIMARY KEY,
  recorder TEXT NOT NULL,                            -- domain::recorder::recorder_key
  named    TEXT NOT NULL,                            -- as typed or registered
  state    TEXT NOT NULL CHECK (state IN ('in_use', 'in_repair', 'retired')),
  reason   TEXT,
  actor    TEXT NOT NULL,                            -- kind:id
  at_ms    INTEGER NOT NULL
) STRICT;
CREATE INDEX recorder_mark_of ON recorder_mark (recorder, mark_id);
