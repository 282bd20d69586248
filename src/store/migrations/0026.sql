-- A reason for a missing recording says on what basis; what is not yet linkable counts apart. See schema.sql.

ALTER TABLE no_record ADD COLUMN basis TEXT NOT NULL DEFAULT '';

CREATE TABLE clip_report_before AS SELECT * FROM clip_report;
DROP TABLE clip_report;
CREATE TABLE clip_report (
  clip_id      TEXT PRIMARY KEY REFERENCES clip ON DELETE CASCADE,
  captured_ms  INTEGER,
  officer      TEXT,
  kind         TEXT,
  care         INTEGER,
  isolated_ms  INTEGER,
  duration_ms  INTEGER NOT NULL,
  bytes        INTEGER NOT NULL,
  sealed_ms    INTEGER NOT NULL,
  completed_ms INTEGER,
  proven_ms    INTEGER,
  complete     TEXT NOT NULL CHECK (complete IN ('no', 'at_once', 'chased')),
  linked       TEXT NOT NULL CHECK (linked IN ('no', 'early', 'rule', 'hand')),
  proven       TEXT NOT NULL CHECK (proven IN ('no', 'in_time', 'late'))
) STRICT, WITHOUT ROWID;
INSERT INTO clip_report
  SELECT clip_id, captured_ms, officer, kind, care, isolated_ms, duration_ms, bytes, sealed_ms, completed_ms, proven_ms, complete,
    coalesce((SELECT CASE WHEN max(f.kind = 'case') = 0 THEN 'early' WHEN max(f.kind = 'case' AND l.origin = 'person') THEN 'hand' ELSE 'rule' END
      FROM case_link l JOIN case_file f ON f.case_id = l.case_id
      WHERE l.clip_id = b.clip_id AND l.withdrawn = 0
        AND l.rev = (SELECT max(x.rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id) HAVING count(*) > 0), 'no'),
    proven
  FROM clip_report_before b;
DROP TABLE clip_report_before;
CREATE INDEX clip_report_captured ON clip_report (captured_ms, officer, kind, complete, linked, proven, duration_ms, bytes, care, isolated_ms);
CREATE INDEX clip_report_sealed ON clip_report (sealed_ms, officer, bytes, care, isolated_ms);
CREATE INDEX clip_report_officer ON clip_report (officer);
CREATE INDEX clip_report_early ON clip_report (clip_id, officer, care, isolated_ms) WHERE linked = 'early';
CREATE INDEX clip_report_unlinked ON clip_report (sealed_ms) WHERE linked = 'no';
