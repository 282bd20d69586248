-- Which SM2 key signed when, and that key in backups. See schema.sql.

ALTER TABLE backup ADD COLUMN sm2_key BLOB;

CREATE INDEX log_of_sm2_key ON log_entry (seq) WHERE kind = 'log.sm2_key';
