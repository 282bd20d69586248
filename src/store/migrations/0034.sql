-- Imports of rosters are listed. Of those before, what stands is known; who imported it and when is in the log alone. Their days
-- are those of China, where there was no roster elsewhere. See schema.sql.

CREATE TABLE roster_import (
  import_id  INTEGER PRIMARY KEY,
  name       TEXT NOT NULL,
  rows       INTEGER NOT NULL,
  days       INTEGER NOT NULL,
  from_ms    INTEGER NOT NULL,
  to_ms      INTEGER NOT NULL,
  replaced   INTEGER NOT NULL,
  actor      TEXT,
  at_ms      INTEGER,
  removed_by TEXT,
  removed_ms INTEGER,
  CHECK ((actor IS NULL) = (at_ms IS NULL)),
  CHECK ((removed_by IS NULL) = (removed_ms IS NULL))
) STRICT;
CREATE INDEX roster_import_name ON roster_import (name);
INSERT INTO roster_import (name, rows, days, from_ms, to_ms, replaced)
  SELECT import, count(*), count(DISTINCT date(from_ms / 1000, 'unixepoch', '+8 hours')), min(from_ms), max(to_ms), 0
  FROM roster GROUP BY import ORDER BY max(roster_id);
