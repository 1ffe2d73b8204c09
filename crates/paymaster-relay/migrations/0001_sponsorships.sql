-- One row for every sponsorship: reserved before anything is signed, signed, then settled or released.
CREATE TABLE sponsorships (
    id TEXT PRIMARY KEY NOT NULL,
    intent_hash BLOB NOT NULL CHECK (length(intent_hash) = 32),
    account_id TEXT NOT NULL,
    idempotency_key TEXT,
    policy_id TEXT NOT NULL,
    entry_point BLOB NOT NULL CHECK (length(entry_point) = 20),
    sender BLOB NOT NULL CHECK (length(sender) = 20),
    account_nonce BLOB NOT NULL CHECK (length(account_nonce) = 32),
    paymaster BLOB NOT NULL CHECK (length(paymaster) = 20),
    verification_gas_limit INTEGER NOT NULL,
    valid_after INTEGER NOT NULL,
    valid_until INTEGER NOT NULL,
    -- Worst case, rounded up: a sum over these never promises more than the deposit holds.
    max_cost_gwei INTEGER NOT NULL CHECK (max_cost_gwei >= 0),
    state TEXT NOT NULL CHECK (state IN ('reserved', 'signed', 'settled', 'released')),
    created_at INTEGER NOT NULL,
    -- From here on: what is known once it is signed.
    user_signature_hash BLOB,
    user_op_hash BLOB,
    result TEXT,
    -- And once it is mined.
    settled_block INTEGER,
    settled_cost_gwei INTEGER,
    succeeded INTEGER
) STRICT;

-- One living sponsorship for one intent: the second of two equal requests finds the first.
CREATE UNIQUE INDEX sponsorships_intent ON sponsorships (intent_hash) WHERE state IN ('reserved', 'signed');
CREATE UNIQUE INDEX sponsorships_idempotency ON sponsorships (account_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND state <> 'released';
CREATE INDEX sponsorships_living ON sponsorships (paymaster, entry_point, valid_until, max_cost_gwei)
    WHERE state IN ('reserved', 'signed');
CREATE INDEX sponsorships_by_intent ON sponsorships (intent_hash, valid_until);
CREATE INDEX sponsorships_by_hash ON sponsorships (user_op_hash) WHERE user_op_hash IS NOT NULL;

-- Which requests are somebody's already, where there is no Redis.
CREATE TABLE claims (
    key BLOB PRIMARY KEY NOT NULL,
    holder TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX claims_expiry ON claims (expires_at);

-- Up to where the chain was read for operations that were mined.
CREATE TABLE settlement_cursors (
    entry_point BLOB NOT NULL,
    paymaster BLOB NOT NULL,
    next_block INTEGER NOT NULL,
    PRIMARY KEY (entry_point, paymaster)
) STRICT;
