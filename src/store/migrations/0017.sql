-- What statistics count, random samples and what becomes of their findings, legal review of cases. See schema.sql.

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
  linked       TEXT NOT NULL CHECK (linked IN ('no', 'rule', 'hand')),
  proven       TEXT NOT NULL CHECK (proven IN ('no', 'in_time', 'late'))
) STRICT, WITHOUT ROWID;
CREATE INDEX clip_report_captured ON clip_report (captured_ms, officer, kind, complete, linked, proven, duration_ms, bytes, care, isolated_ms);
CREATE INDEX clip_report_sealed ON clip_report (sealed_ms, officer, bytes, care, isolated_ms);
CREATE INDEX clip_report_officer ON clip_report (officer);
CREATE INDEX issue_due ON issue (due_ms) WHERE due_ms IS NOT NULL;

CREATE TABLE sample (
  sample_id   INTEGER PRIMARY KEY,
  period      TEXT NOT NULL,
  unit        TEXT NOT NULL,
  wanted      INTEGER NOT NULL CHECK (wanted > 0),
  population  TEXT NOT NULL,
  population_sha256 BLOB NOT NULL CHECK (length(population_sha256) = 32),
  checklist   TEXT NOT NULL,
  asked_seq   INTEGER NOT NULL,
  epoch       INTEGER,
  size        INTEGER,
  root        BLOB CHECK (length(root) = 32),
  drawn_by    TEXT NOT NULL,
  drawn_ms    INTEGER NOT NULL,
  CHECK ((root IS NULL) = (size IS NULL) AND (root IS NULL) = (epoch IS NULL))
) STRICT;
CREATE TABLE sample_clip (
  sample_id INTEGER NOT NULL REFERENCES sample,
  n         INTEGER NOT NULL,
  clip_id   TEXT NOT NULL,
  PRIMARY KEY (sample_id, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE sample_step (
  step_id   INTEGER PRIMARY KEY,
  sample_id INTEGER NOT NULL,
  n         INTEGER NOT NULL,
  step      TEXT NOT NULL CHECK (step IN ('judged', 'answered', 'returned', 'closed')),
  points    TEXT NOT NULL DEFAULT '[]',
  words     TEXT NOT NULL,
  due_ms    INTEGER,
  actor     TEXT NOT NULL,
  at_ms     INTEGER NOT NULL,
  FOREIGN KEY (sample_id, n) REFERENCES sample_clip
) STRICT;
CREATE INDEX sample_step_of ON sample_step (sample_id, n);

CREATE TABLE review_note (
  note_id      INTEGER PRIMARY KEY,
  case_id      INTEGER NOT NULL REFERENCES case_file,
  clip_id      TEXT NOT NULL REFERENCES clip,
  at_ms        INTEGER NOT NULL CHECK (at_ms >= 0),
  words        TEXT NOT NULL,
  actor        TEXT NOT NULL,
  noted_ms     INTEGER NOT NULL,
  withdrawn_by TEXT,
  withdrawn_ms INTEGER,
  CHECK ((withdrawn_by IS NULL) = (withdrawn_ms IS NULL))
) STRICT;
CREATE INDEX review_note_case ON review_note (case_id);
CREATE TABLE review_opinion (
  opinion_id INTEGER PRIMARY KEY,
  case_id    INTEGER NOT NULL REFERENCES case_file,
  verdict    TEXT NOT NULL CHECK (verdict IN ('agree', 'supplement', 'return')),
  words      TEXT NOT NULL,
  coverage   TEXT NOT NULL,
  actor      TEXT NOT NULL,
  given_ms   INTEGER NOT NULL
) STRICT;
CREATE INDEX review_opinion_case ON review_opinion (case_id);
CREATE TABLE case_sheet (
  sheet_id INTEGER PRIMARY KEY,
  case_id  INTEGER NOT NULL REFERENCES case_file,
  marks    TEXT NOT NULL,
  actor    TEXT NOT NULL,
  made_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX case_sheet_case ON case_sheet (case_id);

-- Clips that are there. When their facts came is told by when they were said; when they were proven, by their deliveries.
INSERT INTO clip_report
  SELECT clip_id, captured_ms, officer, kind, care, isolated_ms, duration_ms, bytes, sealed_ms, completed_ms, proven_ms,
    CASE WHEN completed_ms IS NULL THEN 'no' WHEN completed_ms - sealed_ms <= 86400000 THEN 'at_once' ELSE 'chased' END,
    linked,
    CASE WHEN proven_ms IS NULL THEN 'no' WHEN proven_ms - coalesce(captured_ms + duration_ms, sealed_ms) <= 86400000 THEN 'in_time' ELSE 'late' END
  FROM (SELECT c.clip_id, i.captured_start_ms AS captured_ms, i.officer, i.care, c.isolated_ms, c.sealed_ms,
      coalesce((SELECT f.value FROM fact f WHERE f.clip_id = c.clip_id AND f.field = 'enforcement_kind' AND f.value <> '' ORDER BY f.origin = 'person' DESC, f.fact_id DESC LIMIT 1),
        (SELECT json_extract(e.entry, '$.kind') FROM case_link l JOIN register_entry e ON e.case_id = l.case_id WHERE l.clip_id = c.clip_id AND l.withdrawn = 0
           AND l.rev = (SELECT max(x.rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id) ORDER BY l.link_id LIMIT 1)) AS kind,
      coalesce(m.duration_ms, 0) AS duration_ms,
      CASE WHEN c.shares IS NULL THEN c.size_bytes ELSE 0 END AS bytes,
      CASE WHEN coalesce(i.missing_count, 5) = 0 THEN max(c.sealed_ms, coalesce((SELECT max(f.at_ms) FROM fact f WHERE f.clip_id = c.clip_id AND f.field IN ('captured_start', 'place', 'officer', 'proves')), 0),
        coalesce((SELECT min(l.at_ms) FROM case_link l WHERE l.clip_id = c.clip_id), 0)) END AS completed_ms,
      CASE WHEN c.state IN ('proven', 'released') THEN coalesce((SELECT max(d.proven_ms) FROM delivery d WHERE d.clip_id = c.clip_id AND d.required = 1), c.sealed_ms) END AS proven_ms,
      coalesce((SELECT CASE WHEN max(l.origin = 'person') THEN 'hand' ELSE 'rule' END FROM case_link l WHERE l.clip_id = c.clip_id AND l.withdrawn = 0
         AND l.rev = (SELECT max(x.rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id) HAVING count(*) > 0), 'no') AS linked
    FROM clip c LEFT JOIN clip_index i USING (clip_id) LEFT JOIN media m USING (clip_id)
    WHERE c.local <> 'copying' AND c.role IN ('clip', 'other'));
