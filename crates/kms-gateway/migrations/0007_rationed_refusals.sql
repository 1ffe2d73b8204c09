-- Refusals of a relay key are rationed: how many of them have no row, in the next row of that key. The rows stay as they are,
-- hashes included.
ALTER TABLE audit ADD COLUMN left_out INTEGER;
