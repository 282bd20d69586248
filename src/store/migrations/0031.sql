-- Keys under which programs asked for changes, and how each was answered.
CREATE TABLE repeat (
  actor     TEXT NOT NULL,
  word      TEXT NOT NULL,
  asked     BLOB NOT NULL CHECK (length(asked) = 32),
  what      TEXT NOT NULL,
  begun_ms  INTEGER NOT NULL,
  state     TEXT NOT NULL CHECK (state IN ('under_way', 'answered', 'told_once')),
  status    INTEGER,
  kind      TEXT,
  location  TEXT,
  body      BLOB,
  PRIMARY KEY (actor, word),
  CHECK ((state = 'answered') = (status IS NOT NULL AND body IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX repeat_begun ON repeat (begun_ms);
