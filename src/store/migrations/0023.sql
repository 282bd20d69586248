-- What this station notices of the logs for which it is the witness. See schema.sql.

CREATE TABLE watched (
  origin     TEXT PRIMARY KEY,
  first_ms   INTEGER NOT NULL,
  refused_ms INTEGER,
  refused    TEXT,
  note       TEXT,
  CHECK ((refused_ms IS NULL) = (refused IS NULL) AND (refused_ms IS NULL) = (note IS NULL))
) STRICT, WITHOUT ROWID;
-- Since when these are known was not noted: they are no news.
INSERT INTO watched (origin, first_ms) SELECT origin, 0 FROM witnessed;
