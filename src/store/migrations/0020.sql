-- Files that are derived of clips and kept for a while. See schema.sql.

CREATE TABLE derivative (
  derived_id    TEXT PRIMARY KEY,
  clip_id       TEXT NOT NULL REFERENCES clip ON DELETE CASCADE,
  kind          TEXT NOT NULL CHECK (kind IN ('frame', 'trim', 'watermark')),
  png           INTEGER NOT NULL CHECK (png IN (0, 1)),
  exact         INTEGER NOT NULL CHECK (exact IN (0, 1)),
  asked_from_ms INTEGER NOT NULL,
  asked_to_ms   INTEGER,
  reason        TEXT NOT NULL,
  mark          TEXT,
  asked_by      TEXT NOT NULL,
  via           TEXT NOT NULL CHECK (via IN ('web', 'api', 'cli')),
  from_where    TEXT NOT NULL,
  asked_ms      INTEGER NOT NULL,
  state         TEXT NOT NULL CHECK (state IN ('making', 'failed', 'ready', 'gone')),
  words         TEXT,
  form          TEXT CHECK (form IN ('jpg', 'png', 'mp4', 'mkv', 'webm')),
  method        TEXT CHECK (method IN ('decoded', 'copied', 'encoded')),
  from_ms       INTEGER,
  to_ms         INTEGER,
  size_bytes    INTEGER,
  blake3        BLOB CHECK (length(blake3) = 32),
  sha256        BLOB CHECK (length(sha256) = 32),
  parent_blake3 BLOB CHECK (length(parent_blake3) = 32),
  parent_sha256 BLOB CHECK (length(parent_sha256) = 32),
  tool          TEXT,
  ended_ms      INTEGER,
  CHECK (state NOT IN ('ready', 'gone') OR (form IS NOT NULL AND method IS NOT NULL AND from_ms IS NOT NULL AND to_ms IS NOT NULL
    AND size_bytes IS NOT NULL AND blake3 IS NOT NULL AND sha256 IS NOT NULL AND parent_blake3 IS NOT NULL
    AND parent_sha256 IS NOT NULL AND tool IS NOT NULL AND ended_ms IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX derivative_clip ON derivative (clip_id, asked_ms);
CREATE INDEX derivative_due ON derivative (asked_ms) WHERE state = 'making';

ALTER TABLE export ADD COLUMN derived INTEGER NOT NULL DEFAULT 0 CHECK (derived IN (0, 1));

CREATE INDEX log_of_protection ON log_entry (seq) WHERE kind = 'log.key_protection';
