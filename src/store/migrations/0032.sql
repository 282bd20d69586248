-- SM3 of clips that are sealed while [custody] sm3 is on, beside their other digests; and the settings of the last start,
-- with which the next one compares its own. See schema.sql.

ALTER TABLE clip ADD COLUMN sm3 BLOB CHECK (sm3 IS NULL OR length(sm3) = 32);
DROP TRIGGER digest_stays;
CREATE TRIGGER digest_stays BEFORE UPDATE OF blake3, sha256, sm3, size_bytes ON clip
  WHEN OLD.blake3 IS NOT NULL AND (NEW.blake3 IS NOT OLD.blake3 OR NEW.sha256 IS NOT OLD.sha256 OR NEW.sm3 IS NOT OLD.sm3 OR NEW.size_bytes IS NOT OLD.size_bytes)
  BEGIN SELECT RAISE(ABORT, 'digests of sealed clips are never changed'); END;
CREATE TABLE setting (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE setting_key (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  key BLOB NOT NULL CHECK (length(key) = 32)
) STRICT;
