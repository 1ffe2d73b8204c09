-- Every row names its chain: on several chains contracts may have the same addresses. Rows of before belong to the chain
-- that the database noted (migration 9). Where it noted none they have the id 0, until a node of one chain opens it.

ALTER TABLE sponsorships ADD COLUMN chain_id INTEGER NOT NULL DEFAULT 0;
UPDATE sponsorships SET chain_id = (SELECT CAST(id AS INTEGER) FROM chain) WHERE EXISTS (SELECT id FROM chain);
-- For the start: few rows or none.
CREATE INDEX sponsorships_of_no_chain ON sponsorships (chain_id) WHERE chain_id = 0;

DROP INDEX sponsorships_idempotency;
CREATE UNIQUE INDEX sponsorships_idempotency ON sponsorships (chain_id, key_space, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND state <> 'released';
DROP INDEX sponsorships_open;
CREATE INDEX sponsorships_open ON sponsorships (chain_id, valid_until) WHERE state IN ('reserved', 'signed');
DROP INDEX sponsorships_mined;
CREATE INDEX sponsorships_mined ON sponsorships (chain_id, settled_block)
    WHERE settled_block IS NOT NULL AND state <> 'settled';

CREATE TABLE settlement_cursors_of_chains (
    chain_id INTEGER NOT NULL,
    entry_point BLOB NOT NULL,
    paymaster BLOB NOT NULL,
    next_block INTEGER NOT NULL,
    highest_block INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (chain_id, entry_point, paymaster)
) STRICT, WITHOUT ROWID;
INSERT INTO settlement_cursors_of_chains (chain_id, entry_point, paymaster, next_block, highest_block)
SELECT coalesce((SELECT CAST(id AS INTEGER) FROM chain), 0), entry_point, paymaster, next_block, highest_block
FROM settlement_cursors;
DROP TABLE settlement_cursors;
ALTER TABLE settlement_cursors_of_chains RENAME TO settlement_cursors;

CREATE TABLE known_blocks_of_chains (
    chain_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (chain_id, number)
) STRICT, WITHOUT ROWID;
INSERT INTO known_blocks_of_chains (chain_id, number, hash)
SELECT coalesce((SELECT CAST(id AS INTEGER) FROM chain), 0), number, hash FROM known_blocks;
DROP TABLE known_blocks;
ALTER TABLE known_blocks_of_chains RENAME TO known_blocks;

DROP TABLE chain;

DROP TRIGGER sponsorship_opened;
DROP TRIGGER sponsorship_closed;
DROP VIEW open_charges;
DROP VIEW charges;
DROP TABLE open_reservations;

CREATE TABLE open_reservations (
    chain_id INTEGER NOT NULL,
    entry_point BLOB NOT NULL,
    paymaster BLOB NOT NULL,
    scope TEXT NOT NULL,
    subject TEXT NOT NULL,
    open INTEGER NOT NULL,
    gwei INTEGER NOT NULL,
    PRIMARY KEY (chain_id, entry_point, paymaster, scope, subject)
) STRICT, WITHOUT ROWID;

CREATE VIEW charges AS
SELECT sponsorships.id AS id, state, max_cost_gwei, chain_id, entry_point, paymaster,
    counter.value ->> 0 AS scope, counter.value ->> 1 AS subject
FROM sponsorships, json_each(sponsorships.counters) AS counter;

CREATE VIEW open_charges AS
SELECT chain_id, entry_point, paymaster, scope, subject, count(*) AS open, sum(max_cost_gwei) AS gwei FROM charges
WHERE state IN ('reserved', 'signed')
GROUP BY chain_id, entry_point, paymaster, scope, subject;

INSERT INTO open_reservations (chain_id, entry_point, paymaster, scope, subject, open, gwei)
SELECT chain_id, entry_point, paymaster, scope, subject, open, gwei FROM open_charges;

CREATE TRIGGER sponsorship_opened AFTER INSERT ON sponsorships WHEN NEW.state IN ('reserved', 'signed')
BEGIN
    INSERT INTO open_reservations (chain_id, entry_point, paymaster, scope, subject, open, gwei)
    SELECT chain_id, entry_point, paymaster, scope, subject, 1, max_cost_gwei FROM charges WHERE id = NEW.id
    ON CONFLICT (chain_id, entry_point, paymaster, scope, subject)
    DO UPDATE SET open = open + 1, gwei = gwei + excluded.gwei;
END;

CREATE TRIGGER sponsorship_closed AFTER UPDATE OF state ON sponsorships
WHEN OLD.state IN ('reserved', 'signed') AND NEW.state NOT IN ('reserved', 'signed')
BEGIN
    UPDATE open_reservations SET open = open - 1, gwei = gwei - OLD.max_cost_gwei
    WHERE (chain_id, entry_point, paymaster, scope, subject)
        IN (SELECT chain_id, entry_point, paymaster, scope, subject FROM charges WHERE id = OLD.id);
    DELETE FROM open_reservations
    WHERE open = 0 AND (chain_id, entry_point, paymaster, scope, subject)
        IN (SELECT chain_id, entry_point, paymaster, scope, subject FROM charges WHERE id = OLD.id);
END;
