-- Delivery: destinations that take parts one after the other.

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
