-- Where an idempotency key is unique: among the requests of its principal, where somebody answers for the account id. A
-- principal that anybody can be (a publishable key, or nobody) has one space for each sender: nobody takes the keys of another.
ALTER TABLE sponsorships ADD COLUMN key_space TEXT GENERATED ALWAYS AS (
    CASE WHEN vouched THEN principal ELSE principal || '/' || lower(hex(sender)) END
) VIRTUAL;

DROP INDEX sponsorships_idempotency;
CREATE UNIQUE INDEX sponsorships_idempotency ON sponsorships (key_space, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND state <> 'released';
