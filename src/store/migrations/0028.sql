-- Rows of a roster stay when the next one of the same name comes, so that what an import may touch is found by its end. What
-- the register of officers said of a clip's certificate is found by itself. See schema.sql.

DROP INDEX roster_by_import;
CREATE INDEX roster_by_import ON roster (import, to_ms);
CREATE INDEX fact_certificate ON fact (clip_id) WHERE field = 'officer_cert_no' AND origin = 'register';
