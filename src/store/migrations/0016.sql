-- What was done at the desk by mistake; clips found by the party that somebody named. See schema.sql.

ALTER TABLE issue ADD COLUMN undone_by TEXT;
ALTER TABLE issue ADD COLUMN undone_ms INTEGER;
CREATE INDEX fact_party ON fact (value) WHERE field = 'party_ref';
