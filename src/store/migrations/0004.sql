-- Delivery: destinations that take parts one after the other.

ALTER TABLE destination ADD COLUMN in_order INTEGER NOT NULL DEFAULT 0;
