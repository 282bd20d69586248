-- A reason for a missing recording is about one occasion: which stage and when it began, where that was said. What is due for
-- disposal, and how many clips are not yet linkable, is known without a look at each clip. See schema.sql.

ALTER TABLE no_record ADD COLUMN stage TEXT;
ALTER TABLE no_record ADD COLUMN of_ms INTEGER;

ALTER TABLE clip_report ADD COLUMN loose_ms INTEGER;
ALTER TABLE clip_report ADD COLUMN keep_ms INTEGER;
UPDATE clip_report SET keep_ms = (
    SELECT CASE WHEN count(*) = count(x.keep_until_ms) THEN max(x.keep_until_ms) END FROM filing_clip x
    JOIN filing g ON g.filing_id = x.filing_id AND g.reopened_ms IS NULL AND g.filed_ms IS NOT NULL WHERE x.clip_id = clip_report.clip_id)
  WHERE clip_id IN (SELECT clip_id FROM filing_clip) AND clip_id NOT IN (SELECT clip_id FROM clip WHERE disposed_ms IS NOT NULL);
UPDATE clip_report SET loose_ms = max(sealed_ms, coalesce((
    SELECT max(l.at_ms) FROM case_link l JOIN case_file f ON f.case_id = l.case_id WHERE l.clip_id = clip_report.clip_id AND l.withdrawn = 1
      AND (f.kind = 'case' OR EXISTS (SELECT 1 FROM register_entry e WHERE e.case_id = f.case_id)
        OR EXISTS (SELECT 1 FROM filing g WHERE g.case_id = f.case_id AND g.reopened_ms IS NULL))), 0))
  WHERE linked IN ('no', 'early') AND clip_id NOT IN (SELECT clip_id FROM clip WHERE disposed_ms IS NOT NULL)
    AND NOT EXISTS (SELECT 1 FROM filing_clip x JOIN filing g ON g.filing_id = x.filing_id AND g.reopened_ms IS NULL AND g.filed_ms IS NOT NULL
      WHERE x.clip_id = clip_report.clip_id);
DROP INDEX clip_report_unlinked;
DROP INDEX case_before;
CREATE INDEX clip_report_loose ON clip_report (loose_ms, clip_id) WHERE loose_ms IS NOT NULL AND proven_ms IS NOT NULL AND isolated_ms IS NULL;
CREATE INDEX clip_report_keep ON clip_report (keep_ms, clip_id) WHERE keep_ms IS NOT NULL AND proven_ms IS NOT NULL AND isolated_ms IS NULL;
CREATE INDEX clip_report_early_of ON clip_report (officer, care, isolated_ms) WHERE linked = 'early';

INSERT INTO tally (what) VALUES ('early 0'), ('early 1'), ('early 2'), ('early 3'), ('early 4'), ('early 5');
INSERT INTO tally (what, n) SELECT 'early ' || coalesce(care, 4), count(*) FROM clip_report WHERE linked = 'early' AND isolated_ms IS NULL GROUP BY 1
  ON CONFLICT (what) DO UPDATE SET n = excluded.n;
CREATE TRIGGER tally_early_in AFTER INSERT ON clip_report WHEN NEW.linked = 'early' AND NEW.isolated_ms IS NULL BEGIN
  UPDATE tally SET n = n + 1 WHERE what = 'early ' || coalesce(NEW.care, 4);
END;
CREATE TRIGGER tally_early_out AFTER DELETE ON clip_report WHEN OLD.linked = 'early' AND OLD.isolated_ms IS NULL BEGIN
  UPDATE tally SET n = n - 1 WHERE what = 'early ' || coalesce(OLD.care, 4);
END;
CREATE TRIGGER tally_early_moved AFTER UPDATE OF linked, care, isolated_ms ON clip_report
  WHEN OLD.linked <> NEW.linked OR OLD.care IS NOT NEW.care OR OLD.isolated_ms IS NOT NEW.isolated_ms BEGIN
  UPDATE tally SET n = n - 1 WHERE what = 'early ' || coalesce(OLD.care, 4) AND OLD.linked = 'early' AND OLD.isolated_ms IS NULL;
  UPDATE tally SET n = n + 1 WHERE what = 'early ' || coalesce(NEW.care, 4) AND NEW.linked = 'early' AND NEW.isolated_ms IS NULL;
END;
