-- Delivery: destinations that take parts one after the other; sessions that nobody goes on with; parts that go up
-- before their clip is sealed; who goes first; pauses. See schema.sql.

ALTER TABLE destination ADD COLUMN in_order INTEGER NOT NULL DEFAULT 0;

-- CRC-64/NVME of each part, which S3 tells of whole objects.
ALTER TABLE clip_part ADD COLUMN crc64 INTEGER;

-- Where objects stand at destinations that keep no keys.
CREATE TABLE address (
  destination TEXT NOT NULL,
  key         TEXT NOT NULL,
  url         TEXT NOT NULL,
  size_bytes  INTEGER NOT NULL,
  sha256      BLOB NOT NULL CHECK (length(sha256) = 32),
  readable    INTEGER NOT NULL,
  noted_ms    INTEGER NOT NULL,
  PRIMARY KEY (destination, key)
) STRICT, WITHOUT ROWID;

ALTER TABLE clip ADD COLUMN pushed_ms INTEGER;

ALTER TABLE upload_session ADD COLUMN completed_ms INTEGER;
ALTER TABLE upload_part ADD COLUMN ours BLOB;

CREATE TABLE abandoned_session (
  abandon_id  INTEGER PRIMARY KEY,
  destination TEXT NOT NULL,
  clip_id     TEXT NOT NULL,
  object      TEXT NOT NULL CHECK (object IN ('master', 'tree')),
  session     TEXT NOT NULL,
  since_ms    INTEGER NOT NULL,
  attempts    INTEGER NOT NULL DEFAULT 0,
  next_try_ms INTEGER NOT NULL DEFAULT 0,
  error       TEXT
) STRICT;
CREATE INDEX abandoned_due ON abandoned_session (destination, next_try_ms);
CREATE TRIGGER session_given_up AFTER DELETE ON upload_session WHEN OLD.completed_ms IS NULL BEGIN
  INSERT INTO abandoned_session (destination, clip_id, object, session, since_ms) VALUES (OLD.destination, OLD.clip_id, 'master', OLD.session, OLD.begun_ms);
END;

CREATE TABLE sending_pause (
  destination TEXT PRIMARY KEY,
  since_ms    INTEGER NOT NULL,
  until_ms    INTEGER,
  paused_by   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
