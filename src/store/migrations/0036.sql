-- A reason for a missing recording is about one occasion: which stage and when it began, where that was said. See schema.sql.

ALTER TABLE no_record ADD COLUMN stage TEXT;
ALTER TABLE no_record ADD COLUMN of_ms INTEGER;
