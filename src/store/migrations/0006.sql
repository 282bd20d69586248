-- Backups of this database, and restores. See schema.sql.

ALTER TABLE station ADD COLUMN superseded_by INTEGER;
ALTER TABLE station ADD COLUMN catalogue_from INTEGER NOT NULL DEFAULT 0;

CREATE TABLE backup (
  epoch          INTEGER NOT NULL,
  seq            INTEGER NOT NULL,
  made_ms        INTEGER NOT NULL,
  size_bytes     INTEGER NOT NULL,
  sha256         BLOB NOT NULL CHECK (length(sha256) = 32),
  database_bytes INTEGER NOT NULL,
  log_size       INTEGER NOT NULL,
  note           TEXT NOT NULL,
  log_key        BLOB,
  PRIMARY KEY (epoch, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE backup_copy (
  epoch       INTEGER NOT NULL,
  seq         INTEGER NOT NULL,
  destination TEXT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('waiting', 'proven', 'given_up')),
  session     TEXT,
  reason      TEXT,
  attempts    INTEGER NOT NULL DEFAULT 0,
  next_try_ms INTEGER NOT NULL DEFAULT 0,
  proven_ms   INTEGER,
  PRIMARY KEY (epoch, seq, destination),
  FOREIGN KEY (epoch, seq) REFERENCES backup ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX backup_copy_waiting ON backup_copy (destination) WHERE state = 'waiting';
CREATE TABLE backup_part (
  epoch       INTEGER NOT NULL,
  seq         INTEGER NOT NULL,
  destination TEXT NOT NULL,
  n           INTEGER NOT NULL,
  tag         TEXT NOT NULL,
  sha256      BLOB,
  PRIMARY KEY (epoch, seq, destination, n),
  FOREIGN KEY (epoch, seq, destination) REFERENCES backup_copy ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE restore (
  epoch            INTEGER PRIMARY KEY,
  from_destination TEXT NOT NULL,
  backup_epoch     INTEGER,
  backup_seq       INTEGER,
  begun_ms         INTEGER NOT NULL,
  finished_ms      INTEGER,
  told             TEXT NOT NULL DEFAULT '{}'
) STRICT;
