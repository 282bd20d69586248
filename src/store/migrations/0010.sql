-- Accounts, sessions, tokens, and cases that stand sent for review. See schema.sql.

ALTER TABLE clip_index ADD COLUMN care INTEGER;

CREATE TABLE account (
  account_id    INTEGER PRIMARY KEY,
  login         TEXT NOT NULL UNIQUE,
  label         TEXT NOT NULL DEFAULT '',
  roles         TEXT NOT NULL,
  unit          TEXT,
  until_ms      INTEGER,
  password      TEXT NOT NULL,
  must_change   INTEGER NOT NULL DEFAULT 1 CHECK (must_change IN (0, 1)),
  totp          BLOB,
  totp_step     INTEGER NOT NULL DEFAULT 0,
  failures      INTEGER NOT NULL DEFAULT 0,
  locked_ms     INTEGER NOT NULL DEFAULT 0,
  disabled_ms   INTEGER,
  made_by       TEXT NOT NULL,
  made_ms       INTEGER NOT NULL
) STRICT;
CREATE TABLE account_officer (
  account_id INTEGER NOT NULL REFERENCES account,
  officer    TEXT NOT NULL,
  PRIMARY KEY (account_id, officer)
) STRICT, WITHOUT ROWID;
CREATE TABLE sign_in (
  session_id TEXT PRIMARY KEY,
  token      BLOB NOT NULL UNIQUE CHECK (length(token) = 32),
  account_id INTEGER NOT NULL REFERENCES account,
  begun_ms   INTEGER NOT NULL,
  seen_ms    INTEGER NOT NULL,
  from_where TEXT NOT NULL,
  agent      TEXT NOT NULL,
  ended_ms   INTEGER,
  ended      TEXT CHECK (ended IN ('signed_out', 'idle', 'too_long', 'ended', 'password', 'disabled')),
  CHECK ((ended IS NULL) = (ended_ms IS NULL))
) STRICT;
CREATE INDEX sign_in_open ON sign_in (account_id) WHERE ended IS NULL;
CREATE TABLE token (
  token_id INTEGER PRIMARY KEY,
  secret   BLOB NOT NULL UNIQUE CHECK (length(secret) = 32),
  name     TEXT NOT NULL,
  role     TEXT NOT NULL,
  scopes   TEXT NOT NULL,
  until_ms INTEGER NOT NULL,
  seen_ms  INTEGER,
  made_by  TEXT NOT NULL,
  made_ms  INTEGER NOT NULL,
  ended_ms INTEGER
) STRICT;
CREATE TABLE review (
  review_id  INTEGER PRIMARY KEY,
  case_id    INTEGER NOT NULL REFERENCES case_file,
  account_id INTEGER REFERENCES account,
  until_ms   INTEGER,
  sent_by    TEXT NOT NULL,
  sent_ms    INTEGER NOT NULL,
  ended_by   TEXT,
  ended_ms   INTEGER,
  CHECK ((ended_by IS NULL) = (ended_ms IS NULL))
) STRICT;
CREATE INDEX review_open ON review (case_id) WHERE ended_ms IS NULL;
