-- What pages tell of all clips, counted by triggers; indexes of what years of use make slow. See schema.sql.

CREATE TABLE tally (
  what  TEXT PRIMARY KEY,
  n     INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
INSERT INTO tally (what) VALUES ('owing'), ('evicted'), ('disk_unproven'), ('disk_proven'),
  ('triage 0'), ('triage 1'), ('triage 2'), ('triage 3'), ('triage 4'), ('triage 5');
CREATE TRIGGER tally_clip_in AFTER INSERT ON clip BEGIN
  UPDATE tally SET n = n + 1 WHERE what = 'owing' AND NEW.owes_since_ms IS NOT NULL;
  UPDATE tally SET n = n + 1, bytes = bytes + coalesce(NEW.size_bytes, 0) WHERE what = 'evicted' AND NEW.local = 'evicted' AND NEW.disposed_ms IS NULL;
  UPDATE tally SET n = n + 1, bytes = bytes + coalesce(NEW.size_bytes, NEW.durable_bytes) WHERE NEW.local <> 'evicted' AND NEW.shares IS NULL
    AND what = CASE WHEN NEW.state IN ('proven', 'released') THEN 'disk_proven' ELSE 'disk_unproven' END;
END;
CREATE TRIGGER tally_clip_out AFTER DELETE ON clip BEGIN
  UPDATE tally SET n = n - 1 WHERE what = 'owing' AND OLD.owes_since_ms IS NOT NULL;
  UPDATE tally SET n = n - 1, bytes = bytes - coalesce(OLD.size_bytes, 0) WHERE what = 'evicted' AND OLD.local = 'evicted' AND OLD.disposed_ms IS NULL;
  UPDATE tally SET n = n - 1, bytes = bytes - coalesce(OLD.size_bytes, OLD.durable_bytes) WHERE OLD.local <> 'evicted' AND OLD.shares IS NULL
    AND what = CASE WHEN OLD.state IN ('proven', 'released') THEN 'disk_proven' ELSE 'disk_unproven' END;
END;
CREATE TRIGGER tally_clip_owes AFTER UPDATE OF owes_since_ms ON clip WHEN (OLD.owes_since_ms IS NULL) <> (NEW.owes_since_ms IS NULL) BEGIN
  UPDATE tally SET n = n + CASE WHEN NEW.owes_since_ms IS NULL THEN -1 ELSE 1 END WHERE what = 'owing';
END;
CREATE TRIGGER tally_clip_moved AFTER UPDATE OF local, shares, state, size_bytes, durable_bytes, disposed_ms ON clip
  WHEN OLD.local <> NEW.local OR OLD.shares IS NOT NEW.shares OR OLD.state <> NEW.state OR OLD.size_bytes IS NOT NEW.size_bytes
    OR OLD.durable_bytes <> NEW.durable_bytes OR OLD.disposed_ms IS NOT NEW.disposed_ms BEGIN
  UPDATE tally SET n = n - 1, bytes = bytes - coalesce(OLD.size_bytes, 0) WHERE what = 'evicted' AND OLD.local = 'evicted' AND OLD.disposed_ms IS NULL;
  UPDATE tally SET n = n + 1, bytes = bytes + coalesce(NEW.size_bytes, 0) WHERE what = 'evicted' AND NEW.local = 'evicted' AND NEW.disposed_ms IS NULL;
  UPDATE tally SET n = n - 1, bytes = bytes - coalesce(OLD.size_bytes, OLD.durable_bytes) WHERE OLD.local <> 'evicted' AND OLD.shares IS NULL
    AND what = CASE WHEN OLD.state IN ('proven', 'released') THEN 'disk_proven' ELSE 'disk_unproven' END;
  UPDATE tally SET n = n + 1, bytes = bytes + coalesce(NEW.size_bytes, NEW.durable_bytes) WHERE NEW.local <> 'evicted' AND NEW.shares IS NULL
    AND what = CASE WHEN NEW.state IN ('proven', 'released') THEN 'disk_proven' ELSE 'disk_unproven' END;
END;
CREATE TRIGGER tally_triage_in AFTER INSERT ON clip_index WHEN NEW.triage IS NOT NULL BEGIN
  UPDATE tally SET n = n + 1 WHERE what = 'triage ' || coalesce(NEW.care, 4);
END;
CREATE TRIGGER tally_triage_out AFTER DELETE ON clip_index WHEN OLD.triage IS NOT NULL BEGIN
  UPDATE tally SET n = n - 1 WHERE what = 'triage ' || coalesce(OLD.care, 4);
END;
CREATE TRIGGER tally_triage_moved AFTER UPDATE OF triage, care ON clip_index
  WHEN (OLD.triage IS NULL) <> (NEW.triage IS NULL) OR (NEW.triage IS NOT NULL AND OLD.care IS NOT NEW.care) BEGIN
  UPDATE tally SET n = n - 1 WHERE what = 'triage ' || coalesce(OLD.care, 4) AND OLD.triage IS NOT NULL;
  UPDATE tally SET n = n + 1 WHERE what = 'triage ' || coalesce(NEW.care, 4) AND NEW.triage IS NOT NULL;
END;
INSERT INTO tally (what, n, bytes)
  SELECT CASE WHEN state IN ('proven', 'released') THEN 'disk_proven' ELSE 'disk_unproven' END, count(*), sum(coalesce(size_bytes, durable_bytes))
  FROM clip WHERE local <> 'evicted' AND shares IS NULL GROUP BY 1
  ON CONFLICT (what) DO UPDATE SET n = excluded.n, bytes = excluded.bytes;
UPDATE tally SET n = (SELECT count(*) FROM clip WHERE owes_since_ms IS NOT NULL) WHERE what = 'owing';
UPDATE tally SET (n, bytes) = (SELECT count(*), coalesce(sum(size_bytes), 0) FROM clip WHERE local = 'evicted' AND disposed_ms IS NULL) WHERE what = 'evicted';
INSERT INTO tally (what, n) SELECT 'triage ' || coalesce(care, 4), count(*) FROM clip_index WHERE triage IS NOT NULL GROUP BY 1 ON CONFLICT (what) DO UPDATE SET n = excluded.n;

CREATE TABLE delivery_total (
  destination TEXT NOT NULL,
  state       TEXT NOT NULL,
  required    INTEGER NOT NULL,
  n           INTEGER NOT NULL,
  PRIMARY KEY (destination, state, required)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER delivery_total_in AFTER INSERT ON delivery BEGIN
  INSERT INTO delivery_total SELECT NEW.destination, NEW.state, NEW.required, 0
    WHERE NOT EXISTS (SELECT 1 FROM delivery_total WHERE destination = NEW.destination AND state = NEW.state AND required = NEW.required);
  UPDATE delivery_total SET n = n + 1 WHERE destination = NEW.destination AND state = NEW.state AND required = NEW.required;
END;
CREATE TRIGGER delivery_total_out AFTER DELETE ON delivery BEGIN
  UPDATE delivery_total SET n = n - 1 WHERE destination = OLD.destination AND state = OLD.state AND required = OLD.required;
END;
CREATE TRIGGER delivery_total_moved AFTER UPDATE OF state, required ON delivery WHEN OLD.state <> NEW.state OR OLD.required <> NEW.required BEGIN
  UPDATE delivery_total SET n = n - 1 WHERE destination = OLD.destination AND state = OLD.state AND required = OLD.required;
  INSERT INTO delivery_total SELECT NEW.destination, NEW.state, NEW.required, 0
    WHERE NOT EXISTS (SELECT 1 FROM delivery_total WHERE destination = NEW.destination AND state = NEW.state AND required = NEW.required);
  UPDATE delivery_total SET n = n + 1 WHERE destination = NEW.destination AND state = NEW.state AND required = NEW.required;
END;
INSERT INTO delivery_total SELECT destination, state, required, count(*) FROM delivery GROUP BY destination, state, required;

CREATE TABLE evicted_at (
  destinations TEXT PRIMARY KEY,
  clips        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER evicted_at_clip AFTER UPDATE OF local, disposed_ms ON clip
  WHEN (OLD.local = 'evicted' AND OLD.disposed_ms IS NULL) <> (NEW.local = 'evicted' AND NEW.disposed_ms IS NULL) BEGIN
  INSERT INTO evicted_at SELECT k.at, 0 FROM (SELECT json_group_array(d.destination) AS at FROM delivery d WHERE d.clip_id = NEW.clip_id AND d.state = 'proven') k
    WHERE NOT EXISTS (SELECT 1 FROM evicted_at e WHERE e.destinations = k.at);
  UPDATE evicted_at SET clips = clips + CASE WHEN NEW.local = 'evicted' AND NEW.disposed_ms IS NULL THEN 1 ELSE -1 END
    WHERE destinations = (SELECT json_group_array(d.destination) FROM delivery d WHERE d.clip_id = NEW.clip_id AND d.state = 'proven');
END;
CREATE TRIGGER evicted_at_in AFTER INSERT ON clip WHEN NEW.local = 'evicted' AND NEW.disposed_ms IS NULL BEGIN
  INSERT INTO evicted_at SELECT '[]', 0 WHERE NOT EXISTS (SELECT 1 FROM evicted_at WHERE destinations = '[]');
  UPDATE evicted_at SET clips = clips + 1 WHERE destinations = '[]';
END;
CREATE TRIGGER evicted_at_out BEFORE DELETE ON clip WHEN OLD.local = 'evicted' AND OLD.disposed_ms IS NULL BEGIN
  UPDATE evicted_at SET clips = clips - 1
    WHERE destinations = (SELECT json_group_array(d.destination) FROM delivery d WHERE d.clip_id = OLD.clip_id AND d.state = 'proven');
END;
CREATE TRIGGER evicted_at_proven AFTER UPDATE OF state ON delivery
  WHEN (OLD.state = 'proven') <> (NEW.state = 'proven') AND EXISTS (SELECT 1 FROM clip WHERE clip_id = NEW.clip_id AND local = 'evicted' AND disposed_ms IS NULL) BEGIN
  UPDATE evicted_at SET clips = clips - 1 WHERE destinations = (SELECT json_group_array(d.destination) FROM delivery d
    WHERE d.clip_id = NEW.clip_id AND CASE d.destination WHEN NEW.destination THEN OLD.state ELSE d.state END = 'proven');
  INSERT INTO evicted_at SELECT k.at, 0 FROM (SELECT json_group_array(d.destination) AS at FROM delivery d WHERE d.clip_id = NEW.clip_id AND d.state = 'proven') k
    WHERE NOT EXISTS (SELECT 1 FROM evicted_at e WHERE e.destinations = k.at);
  UPDATE evicted_at SET clips = clips + 1
    WHERE destinations = (SELECT json_group_array(d.destination) FROM delivery d WHERE d.clip_id = NEW.clip_id AND d.state = 'proven');
END;
CREATE TRIGGER evicted_at_sent AFTER INSERT ON delivery
  WHEN NEW.state = 'proven' AND EXISTS (SELECT 1 FROM clip WHERE clip_id = NEW.clip_id AND local = 'evicted' AND disposed_ms IS NULL) BEGIN
  UPDATE evicted_at SET clips = clips - 1 WHERE destinations = (SELECT json_group_array(d.destination) FROM delivery d
    WHERE d.clip_id = NEW.clip_id AND d.state = 'proven' AND d.destination <> NEW.destination);
  INSERT INTO evicted_at SELECT k.at, 0 FROM (SELECT json_group_array(d.destination) AS at FROM delivery d WHERE d.clip_id = NEW.clip_id AND d.state = 'proven') k
    WHERE NOT EXISTS (SELECT 1 FROM evicted_at e WHERE e.destinations = k.at);
  UPDATE evicted_at SET clips = clips + 1
    WHERE destinations = (SELECT json_group_array(d.destination) FROM delivery d WHERE d.clip_id = NEW.clip_id AND d.state = 'proven');
END;
CREATE TRIGGER evicted_at_gone AFTER DELETE ON delivery
  WHEN OLD.state = 'proven' AND EXISTS (SELECT 1 FROM clip WHERE clip_id = OLD.clip_id AND local = 'evicted' AND disposed_ms IS NULL) BEGIN
  UPDATE evicted_at SET clips = clips - 1 WHERE destinations = (SELECT json_group_array(k.destination) FROM (SELECT d.destination FROM delivery d
    WHERE d.clip_id = OLD.clip_id AND d.state = 'proven' UNION SELECT OLD.destination ORDER BY 1) k);
  INSERT INTO evicted_at SELECT k.at, 0 FROM (SELECT json_group_array(d.destination) AS at FROM delivery d WHERE d.clip_id = OLD.clip_id AND d.state = 'proven') k
    WHERE NOT EXISTS (SELECT 1 FROM evicted_at e WHERE e.destinations = k.at);
  UPDATE evicted_at SET clips = clips + 1
    WHERE destinations = (SELECT json_group_array(d.destination) FROM delivery d WHERE d.clip_id = OLD.clip_id AND d.state = 'proven');
END;
INSERT INTO evicted_at SELECT at, count(*) FROM (SELECT (SELECT json_group_array(d.destination) FROM delivery d WHERE d.clip_id = c.clip_id AND d.state = 'proven') AS at
  FROM clip c WHERE c.local = 'evicted' AND c.disposed_ms IS NULL) GROUP BY at;

CREATE TABLE probe_due (
  clip_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
CREATE TRIGGER probe_due_in AFTER INSERT ON clip WHEN NEW.local = 'sealed' AND NEW.role <> 'document' BEGIN
  INSERT INTO probe_due SELECT NEW.clip_id WHERE NOT EXISTS (SELECT 1 FROM probe_due WHERE clip_id = NEW.clip_id) AND NOT EXISTS (SELECT 1 FROM media WHERE clip_id = NEW.clip_id);
END;
CREATE TRIGGER probe_due_sealed AFTER UPDATE OF local, role ON clip WHEN OLD.local <> NEW.local OR OLD.role <> NEW.role BEGIN
  DELETE FROM probe_due WHERE clip_id = NEW.clip_id;
  INSERT INTO probe_due SELECT NEW.clip_id WHERE NEW.local = 'sealed' AND NEW.role <> 'document' AND NOT EXISTS (SELECT 1 FROM media WHERE clip_id = NEW.clip_id);
END;
CREATE TRIGGER probe_due_out AFTER DELETE ON clip BEGIN
  DELETE FROM probe_due WHERE clip_id = OLD.clip_id;
END;
CREATE TRIGGER probe_due_done AFTER INSERT ON media BEGIN
  DELETE FROM probe_due WHERE clip_id = NEW.clip_id;
END;
CREATE TRIGGER probe_due_again AFTER DELETE ON media BEGIN
  INSERT INTO probe_due SELECT clip_id FROM clip WHERE clip_id = OLD.clip_id AND local = 'sealed' AND role <> 'document'
    AND NOT EXISTS (SELECT 1 FROM probe_due p WHERE p.clip_id = OLD.clip_id);
END;
INSERT INTO probe_due SELECT clip_id FROM clip c WHERE local = 'sealed' AND role <> 'document' AND NOT EXISTS (SELECT 1 FROM media m WHERE m.clip_id = c.clip_id);

CREATE INDEX clip_by_dock ON clip (dock_id) WHERE dock_id IS NOT NULL;
CREATE INDEX clip_sharing ON clip (shares) WHERE shares IS NOT NULL;
CREATE INDEX clip_superseding ON clip (supersedes) WHERE supersedes IS NOT NULL;
CREATE INDEX clip_evictable ON clip (clip_id) WHERE local = 'sealed' AND state IN ('proven', 'released');
DROP INDEX clip_stale;
CREATE INDEX clip_stale ON clip (clip_id) WHERE record_stale = 1;
DROP INDEX clip_index_officer;
CREATE INDEX clip_index_officer ON clip_index (officer, clip_id);
DROP INDEX clip_index_missing;
CREATE INDEX clip_index_missing ON clip_index (clip_id) WHERE missing_count > 0;
CREATE INDEX clip_index_waiting ON clip_index (officer, clip_id) WHERE triage IS NOT NULL;
CREATE INDEX clip_index_unsettled ON clip_index (clip_id) WHERE care IS NULL;
CREATE INDEX clip_co_officer_of ON clip_co_officer (officer);
DROP INDEX case_alias_case;
CREATE INDEX case_alias_case ON case_alias (case_id, loose);
CREATE INDEX register_entry_loose ON register_entry (case_id, loose) WHERE case_id IS NOT NULL;
CREATE INDEX register_entry_name ON register_entry (register, name, entry_key);
CREATE INDEX case_before ON case_file (case_id) WHERE kind <> 'case';
CREATE INDEX clip_report_unlinked ON clip_report (sealed_ms) WHERE linked = 'no';
CREATE INDEX filing_clip_until ON filing_clip (keep_until_ms) WHERE keep_until_ms IS NOT NULL;
CREATE INDEX delivery_mismatched ON delivery (destination) WHERE state = 'suspect' OR (state = 'waiting' AND reason IS NOT NULL AND retry IS NULL);
CREATE INDEX delivery_held ON delivery (destination) WHERE legal_hold = 1;
CREATE INDEX hold_of_order ON hold (order_id, clip_id);
CREATE INDEX dock_by_recorder ON dock (recorder_id);
CREATE INDEX dock_by_bay ON dock (bay);
CREATE INDEX roster_by_import ON roster (import);
