-- Keeping and giving up: audits of copies, locks, isolation, eviction.

ALTER TABLE clip ADD COLUMN isolated_ms INTEGER;
ALTER TABLE clip ADD COLUMN evict_seq INTEGER;
CREATE INDEX clip_isolated ON clip (isolated_ms) WHERE isolated_ms IS NOT NULL;
CREATE INDEX clip_evicting ON clip (evict_seq) WHERE evict_seq IS NOT NULL;
CREATE INDEX clip_evicted ON clip (local) WHERE local = 'evicted';

ALTER TABLE delivery ADD COLUMN audited_ms INTEGER;
ALTER TABLE delivery ADD COLUMN audit_how TEXT CHECK (audit_how IN ('sampled', 'whole'));
ALTER TABLE delivery ADD COLUMN whole_ms INTEGER;
ALTER TABLE delivery ADD COLUMN legal_hold INTEGER NOT NULL DEFAULT 0 CHECK (legal_hold IN (0, 1));
CREATE INDEX delivery_suspect ON delivery (destination) WHERE state = 'suspect';
CREATE INDEX delivery_audit ON delivery (destination, audited_ms) WHERE state = 'proven';
CREATE INDEX delivery_lock ON delivery (destination, locked_until_ms) WHERE state = 'proven';

CREATE TABLE hold_order (
  order_id    INTEGER PRIMARY KEY,
  clip_id     TEXT REFERENCES clip,
  case_id     INTEGER REFERENCES case_file,
  reason      TEXT NOT NULL,
  placed_by   TEXT NOT NULL,
  placed_ms   INTEGER NOT NULL,
  asked_by    TEXT,
  asked_why   TEXT,
  asked_ms    INTEGER,
  released_by TEXT,
  released_ms INTEGER,
  CHECK ((clip_id IS NULL) <> (case_id IS NULL)),
  CHECK ((released_by IS NULL) = (released_ms IS NULL)),
  CHECK (released_by IS NULL OR (asked_by IS NOT NULL AND released_by <> asked_by))
) STRICT;
CREATE INDEX hold_order_case ON hold_order (case_id) WHERE released_ms IS NULL;

ALTER TABLE hold ADD COLUMN order_id INTEGER REFERENCES hold_order;
CREATE INDEX hold_standing ON hold (clip_id) WHERE released_ms IS NULL;

CREATE TABLE isolation (
  isolation_id INTEGER PRIMARY KEY,
  clip_id    TEXT NOT NULL REFERENCES clip ON DELETE CASCADE,
  reason     TEXT NOT NULL,
  placed_by  TEXT NOT NULL,
  placed_ms  INTEGER NOT NULL,
  asked_by   TEXT,
  asked_why  TEXT,
  asked_ms   INTEGER,
  lifted_by  TEXT,
  lifted_ms  INTEGER,
  CHECK ((lifted_by IS NULL) = (lifted_ms IS NULL)),
  CHECK (lifted_by IS NULL OR (asked_by IS NOT NULL AND lifted_by <> asked_by))
) STRICT;
CREATE UNIQUE INDEX isolation_standing ON isolation (clip_id) WHERE lifted_ms IS NULL;

-- Until now such a label put a clip under quarantine.
INSERT INTO isolation (clip_id, reason, placed_by, placed_ms)
  SELECT clip_id, quarantine, 'daemon:evidock', coalesce(sealed_ms, created_ms) FROM clip
  WHERE quarantine = 'suspected state secret: nothing leaves the station until a person has decided';
UPDATE clip SET quarantine = NULL, isolated_ms = coalesce(sealed_ms, created_ms)
  WHERE quarantine = 'suspected state secret: nothing leaves the station until a person has decided';
