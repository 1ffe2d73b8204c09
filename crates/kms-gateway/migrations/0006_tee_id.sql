-- TEEs have an id, which names them for good: the paymaster key may be rotated. Rows from before get it when that TEE is
-- served next.
ALTER TABLE served_tee ADD COLUMN tee_id BLOB CHECK (tee_id IS NULL OR length(tee_id) = 32);
