-- Alarms, what others are told of them and of events, and files exchanged with a front-end machine.
CREATE TABLE alarm (
  alarm_id  INTEGER PRIMARY KEY,
  code      TEXT NOT NULL,
  about     TEXT NOT NULL,
  severity  TEXT NOT NULL CHECK (severity IN ('bad', 'warn', 'info')),
  words     TEXT NOT NULL,
  risen_ms  INTEGER NOT NULL,
  words_ms  INTEGER NOT NULL,
  calm_ms   INTEGER,
  told_ms   INTEGER,
  acked_by  TEXT,
  acked_ms  INTEGER,
  ended_ms  INTEGER,
  CHECK ((acked_by IS NULL) = (acked_ms IS NULL))
) STRICT;
CREATE UNIQUE INDEX alarm_standing ON alarm (code, about) WHERE ended_ms IS NULL;
CREATE INDEX alarm_ended ON alarm (ended_ms) WHERE ended_ms IS NOT NULL;

CREATE TABLE message (
  message_id INTEGER PRIMARY KEY,
  receiver   TEXT NOT NULL,
  id         TEXT NOT NULL,
  kind       TEXT NOT NULL,
  body       TEXT NOT NULL,
  made_ms    INTEGER NOT NULL,
  due_ms     INTEGER NOT NULL,
  tries      INTEGER NOT NULL DEFAULT 0,
  words      TEXT,
  ended_ms   INTEGER,
  ended      TEXT CHECK (ended IN ('taken', 'given_up', 'dropped')),
  UNIQUE (receiver, id),
  CHECK ((ended IS NULL) = (ended_ms IS NULL))
) STRICT;
CREATE INDEX message_due ON message (receiver, due_ms) WHERE ended_ms IS NULL;
CREATE INDEX message_ended ON message (ended_ms) WHERE ended_ms IS NOT NULL;
CREATE INDEX message_fate ON message (receiver, ended, ended_ms) WHERE ended_ms IS NOT NULL;
CREATE TABLE log_reader (
  reader   TEXT PRIMARY KEY,
  epoch    INTEGER NOT NULL,
  next_seq INTEGER NOT NULL,
  at_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE exchange_in (
  exchange_id INTEGER PRIMARY KEY,
  name      TEXT NOT NULL,
  sha256    BLOB NOT NULL CHECK (length(sha256) = 32),
  import_id INTEGER REFERENCES register_import,
  at_ms     INTEGER NOT NULL,
  moved_ms  INTEGER
) STRICT;
CREATE INDEX exchange_unmoved ON exchange_in (name) WHERE moved_ms IS NULL;
