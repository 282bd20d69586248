-- Version 2: what a recorder could not give, and what its clock was worth.

-- Places of the recorder's file that could not be read and stand as zeros in ours: JSON [[offset, bytes], ...].
ALTER TABLE clip ADD COLUMN holes TEXT NOT NULL DEFAULT '[]';

-- The recorder's clock minus the station's at this dock, and how that was found.
ALTER TABLE dock ADD COLUMN clock_offset_ms INTEGER;
ALTER TABLE dock ADD COLUMN clock_how TEXT CHECK (clock_how IN ('device', 'newest_file'));
