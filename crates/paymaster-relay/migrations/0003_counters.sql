-- Open reservations are counted in rows that change with the sponsorships themselves: nothing sums over sponsorships to
-- answer a request. A reservation is open from its insertion until it is settled or released.

-- The API key that presented the request; NULL for none.
ALTER TABLE sponsorships ADD COLUMN api_key TEXT;
-- 1 when a passkey of the account approved the request; otherwise nobody proved whose account it is.
ALTER TABLE sponsorships ADD COLUMN proven INTEGER NOT NULL DEFAULT 1 CHECK (proven IN (0, 1));
-- Times the KMS was asked to sign for it.
ALTER TABLE sponsorships ADD COLUMN signings INTEGER NOT NULL DEFAULT 1;
-- Who stands behind the request: intents and idempotency keys are unique within it.
ALTER TABLE sponsorships ADD COLUMN principal TEXT GENERATED ALWAYS AS (
    CASE WHEN proven THEN 'account:' || account_id WHEN api_key IS NULL THEN 'anonymous' ELSE 'key:' || api_key END
) VIRTUAL;

DROP INDEX sponsorships_intent;
CREATE UNIQUE INDEX sponsorships_intent ON sponsorships (intent_hash, principal) WHERE state IN ('reserved', 'signed');
DROP INDEX sponsorships_idempotency;
CREATE UNIQUE INDEX sponsorships_idempotency ON sponsorships (principal, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND state <> 'released';
DROP INDEX sponsorships_living;
CREATE INDEX sponsorships_open ON sponsorships (valid_until) WHERE state IN ('reserved', 'signed');

-- The hashes that a sponsorship was signed under before: any of them may be the one that is mined.
CREATE TABLE earlier_hashes (
    user_op_hash BLOB PRIMARY KEY NOT NULL,
    sponsorship_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER sponsorship_signed_again AFTER UPDATE OF user_op_hash ON sponsorships
WHEN OLD.user_op_hash IS NOT NULL AND OLD.user_op_hash <> NEW.user_op_hash
BEGIN
    INSERT OR IGNORE INTO earlier_hashes (user_op_hash, sponsorship_id) VALUES (OLD.user_op_hash, OLD.id);
END;

CREATE TABLE open_reservations (
    entry_point BLOB NOT NULL,
    paymaster BLOB NOT NULL,
    scope TEXT NOT NULL,
    subject TEXT NOT NULL,
    open INTEGER NOT NULL,
    gwei INTEGER NOT NULL,
    PRIMARY KEY (entry_point, paymaster, scope, subject)
) STRICT, WITHOUT ROWID;

-- The counters that each sponsorship belongs to while it is open.
CREATE VIEW charges AS
SELECT id, state, max_cost_gwei, entry_point, paymaster, 'deployment' AS scope, '' AS subject FROM sponsorships
UNION ALL
SELECT id, state, max_cost_gwei, entry_point, paymaster, 'api_key', api_key FROM sponsorships WHERE api_key IS NOT NULL
UNION ALL
SELECT id, state, max_cost_gwei, entry_point, paymaster, 'unproven', '' FROM sponsorships WHERE NOT proven
UNION ALL
SELECT id, state, max_cost_gwei, entry_point, paymaster, 'account',
    CASE WHEN proven THEN principal ELSE principal || '/' || account_id END
FROM sponsorships;

-- What open_reservations must say.
CREATE VIEW open_charges AS
SELECT entry_point, paymaster, scope, subject, count(*) AS open, sum(max_cost_gwei) AS gwei FROM charges
WHERE state IN ('reserved', 'signed')
GROUP BY entry_point, paymaster, scope, subject;

INSERT INTO open_reservations (entry_point, paymaster, scope, subject, open, gwei)
SELECT entry_point, paymaster, scope, subject, open, gwei FROM open_charges;

CREATE TRIGGER sponsorship_opened AFTER INSERT ON sponsorships WHEN NEW.state IN ('reserved', 'signed')
BEGIN
    INSERT INTO open_reservations (entry_point, paymaster, scope, subject, open, gwei)
    SELECT entry_point, paymaster, scope, subject, 1, max_cost_gwei FROM charges WHERE id = NEW.id
    ON CONFLICT (entry_point, paymaster, scope, subject)
    DO UPDATE SET open = open + 1, gwei = gwei + excluded.gwei;
END;

CREATE TRIGGER sponsorship_closed AFTER UPDATE OF state ON sponsorships
WHEN OLD.state IN ('reserved', 'signed') AND NEW.state NOT IN ('reserved', 'signed')
BEGIN
    UPDATE open_reservations SET open = open - 1, gwei = gwei - OLD.max_cost_gwei
    WHERE (entry_point, paymaster, scope, subject)
        IN (SELECT entry_point, paymaster, scope, subject FROM charges WHERE id = OLD.id);
    DELETE FROM open_reservations
    WHERE open = 0 AND (entry_point, paymaster, scope, subject)
        IN (SELECT entry_point, paymaster, scope, subject FROM charges WHERE id = OLD.id);
END;
