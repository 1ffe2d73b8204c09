-- The latest block when it was reserved: its operation is in no older one. Rows of before have none.
ALTER TABLE sponsorships ADD COLUMN block INTEGER;
