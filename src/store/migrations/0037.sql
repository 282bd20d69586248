-- Recorders and times of which a roster was changed wait until the rules have looked at their clips again. See schema.sql.

CREATE TABLE roster_due (
  due_id      INTEGER PRIMARY KEY,
  recorder_id TEXT NOT NULL REFERENCES recorder,
  from_ms     INTEGER NOT NULL,
  to_ms       INTEGER NOT NULL
) STRICT;
