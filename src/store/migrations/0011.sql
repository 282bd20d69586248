-- Footage that nothing dates is known again by what it plays.
ALTER TABLE listed ADD COLUMN mark TEXT CHECK (length(mark) = 64);
