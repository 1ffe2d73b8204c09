-- The same operation may be sponsored for several principals: each sponsorship keeps every hash it was signed under.
CREATE TABLE earlier_hashes_of_each (
    user_op_hash BLOB NOT NULL,
    sponsorship_id TEXT NOT NULL,
    PRIMARY KEY (user_op_hash, sponsorship_id)
) STRICT, WITHOUT ROWID;
INSERT INTO earlier_hashes_of_each (user_op_hash, sponsorship_id) SELECT user_op_hash, sponsorship_id FROM earlier_hashes;
DROP TRIGGER sponsorship_signed_again;
DROP TABLE earlier_hashes;
ALTER TABLE earlier_hashes_of_each RENAME TO earlier_hashes;
CREATE TRIGGER sponsorship_signed_again AFTER UPDATE OF user_op_hash ON sponsorships
WHEN OLD.user_op_hash IS NOT NULL AND OLD.user_op_hash <> NEW.user_op_hash
BEGIN
    INSERT OR IGNORE INTO earlier_hashes (user_op_hash, sponsorship_id) VALUES (OLD.user_op_hash, OLD.id);
END;
