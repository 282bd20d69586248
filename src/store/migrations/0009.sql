-- What others say about the log: cosignatures of witnesses, timestamps of authorities, tiles at destinations; and what
-- this station says about the logs of others.
CREATE TABLE cosignature (
  epoch   INTEGER NOT NULL,
  size    INTEGER NOT NULL,
  witness TEXT NOT NULL,
  line    TEXT NOT NULL,
  made_s  INTEGER NOT NULL,
  PRIMARY KEY (epoch, size, witness)
) STRICT, WITHOUT ROWID;
CREATE TABLE witnessed (
  origin TEXT PRIMARY KEY,
  size   INTEGER NOT NULL,
  root   BLOB NOT NULL CHECK (length(root) = 32),
  note   TEXT NOT NULL,
  at_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER witnessed_goes_on BEFORE UPDATE ON witnessed WHEN NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
  BEGIN SELECT RAISE(ABORT, 'a log that was witnessed never goes back'); END;
CREATE TRIGGER witnessed_kept BEFORE DELETE ON witnessed BEGIN SELECT RAISE(ABORT, 'what was witnessed is never forgotten'); END;
CREATE TABLE timestamp (
  timestamp_id INTEGER PRIMARY KEY,
  epoch  INTEGER NOT NULL,
  size   INTEGER NOT NULL,
  text   TEXT NOT NULL,
  reply  BLOB NOT NULL,
  said_ms INTEGER NOT NULL,
  got_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE tiles_at (
  destination TEXT PRIMARY KEY,
  epoch INTEGER NOT NULL,
  size  INTEGER NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX log_by_case ON log_entry (case_hash) WHERE case_hash IS NOT NULL;
CREATE INDEX log_of_keys ON log_entry (seq) WHERE kind IN ('epoch.opened', 'log.key');
