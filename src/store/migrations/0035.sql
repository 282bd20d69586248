-- What an import joined, and which rows of a roster it replaced, are kept with it: undoing it parts the cases again, and puts
-- the rows back. Of imports before this nothing of the kind is known. See schema.sql.

CREATE TABLE case_join (
  join_id   INTEGER PRIMARY KEY,
  import_id INTEGER NOT NULL REFERENCES register_import,
  case_id   INTEGER NOT NULL,
  other_id  INTEGER NOT NULL,
  moved     TEXT NOT NULL,
  stood     TEXT NOT NULL,
  split_ms  INTEGER
) STRICT;
CREATE INDEX case_join_import ON case_join (import_id);
CREATE INDEX case_join_case ON case_join (case_id);
CREATE INDEX case_join_other ON case_join (other_id);
CREATE TABLE case_join_link (
  link_id INTEGER PRIMARY KEY REFERENCES case_link ON DELETE CASCADE,
  join_id INTEGER NOT NULL REFERENCES case_join
) STRICT;
CREATE INDEX case_join_link_join ON case_join_link (join_id);
ALTER TABLE roster ADD COLUMN import_id INTEGER REFERENCES roster_import;
ALTER TABLE roster_import ADD COLUMN keeps INTEGER NOT NULL DEFAULT 0 CHECK (keeps IN (0, 1));
ALTER TABLE roster_import ADD COLUMN undone_by TEXT;
ALTER TABLE roster_import ADD COLUMN undone_ms INTEGER CHECK ((undone_by IS NULL) = (undone_ms IS NULL));
CREATE TABLE roster_before (
  import_id INTEGER NOT NULL REFERENCES roster_import,
  recorder  TEXT NOT NULL,
  from_ms   INTEGER NOT NULL,
  to_ms     INTEGER NOT NULL,
  row       TEXT NOT NULL,
  of_import INTEGER REFERENCES roster_import
) STRICT;
CREATE INDEX roster_before_import ON roster_before (import_id);
