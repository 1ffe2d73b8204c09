-- What a mined operation cost, to the wei, and where it was mined. NULL in rows that were settled before.
ALTER TABLE sponsorships ADD COLUMN transaction_hash BLOB CHECK (length(transaction_hash) = 32);
ALTER TABLE sponsorships ADD COLUMN gas_used INTEGER CHECK (gas_used >= 0);
-- Wei that settled_cost_gwei is over actualGasCost, by rounding up: sums of both columns are exact.
ALTER TABLE sponsorships ADD COLUMN cost_rounding_wei INTEGER CHECK (cost_rounding_wei BETWEEN 0 AND 999999999);

CREATE INDEX sponsorships_by_time ON sponsorships (chain_id, created_at);
CREATE INDEX sponsorships_booked ON sponsorships (chain_id, settled_block) WHERE settled_block IS NOT NULL;
CREATE INDEX earlier_hashes_of ON earlier_hashes (sponsorship_id);

-- Every closed sponsorship, in the month (UTC) of its request. Triggers count it when it closes, so that its row can be
-- deleted later. The API key is '' for none. Operations that are settled and neither succeeded nor reverted are those of which
-- no log is known.
CREATE TABLE monthly_totals (
    month TEXT NOT NULL,
    chain_id INTEGER NOT NULL,
    entry_point BLOB NOT NULL,
    paymaster BLOB NOT NULL,
    policy_id TEXT NOT NULL,
    api_key TEXT NOT NULL,
    settled INTEGER NOT NULL,
    succeeded INTEGER NOT NULL,
    reverted INTEGER NOT NULL,
    released INTEGER NOT NULL,
    -- Of the settled ones, as the next four.
    worst_case_gwei INTEGER NOT NULL,
    cost_gwei INTEGER NOT NULL,
    cost_rounding_wei INTEGER NOT NULL,
    gas_used INTEGER NOT NULL,
    PRIMARY KEY (month, chain_id, entry_point, paymaster, policy_id, api_key)
) STRICT, WITHOUT ROWID;

-- What a deployment's settled operations cost, by the hour of their request (hours since 1970): for the rate of spending.
CREATE TABLE hourly_costs (
    chain_id INTEGER NOT NULL,
    entry_point BLOB NOT NULL,
    paymaster BLOB NOT NULL,
    hour INTEGER NOT NULL,
    gwei INTEGER NOT NULL,
    PRIMARY KEY (chain_id, entry_point, paymaster, hour)
) STRICT, WITHOUT ROWID;

-- How the settled operations of an account ended, by the day of their request (days since 1970).
CREATE TABLE sender_outcomes (
    chain_id INTEGER NOT NULL,
    sender BLOB NOT NULL,
    day INTEGER NOT NULL,
    succeeded INTEGER NOT NULL,
    reverted INTEGER NOT NULL,
    PRIMARY KEY (chain_id, sender, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX sender_outcomes_by_day ON sender_outcomes (chain_id, day);

-- The idempotency keys of mined sponsorships whose rows were deleted: a key stands for its intent for good.
CREATE TABLE kept_keys (
    chain_id INTEGER NOT NULL,
    key_space TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    intent_hash BLOB NOT NULL CHECK (length(intent_hash) = 32),
    PRIMARY KEY (chain_id, key_space, idempotency_key)
) STRICT, WITHOUT ROWID;

-- Up to which final block the ledger was compared with the chain, and the paymaster's deposit in that block, in wei:
-- NULL if the node did not have its state.
CREATE TABLE reconciled_blocks (
    chain_id INTEGER NOT NULL,
    entry_point BLOB NOT NULL,
    paymaster BLOB NOT NULL,
    block INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    deposit TEXT,
    PRIMARY KEY (chain_id, entry_point, paymaster)
) STRICT, WITHOUT ROWID;

-- What monthly_totals say, as long as no row was deleted.
CREATE VIEW monthly_sums AS
SELECT strftime('%Y-%m', created_at, 'unixepoch') AS month, chain_id, entry_point, paymaster, policy_id,
    coalesce(api_key, '') AS api_key, sum(state = 'settled') AS settled,
    sum(state = 'settled' AND succeeded IS 1) AS succeeded, sum(state = 'settled' AND succeeded IS 0) AS reverted,
    sum(state = 'released') AS released, sum(iif(state = 'settled', max_cost_gwei, 0)) AS worst_case_gwei,
    sum(iif(state = 'settled', coalesce(settled_cost_gwei, 0), 0)) AS cost_gwei,
    sum(iif(state = 'settled', coalesce(cost_rounding_wei, 0), 0)) AS cost_rounding_wei,
    sum(iif(state = 'settled', coalesce(gas_used, 0), 0)) AS gas_used
FROM sponsorships WHERE state IN ('settled', 'released')
GROUP BY 1, 2, 3, 4, 5, 6;
INSERT INTO monthly_totals SELECT * FROM monthly_sums;
INSERT INTO hourly_costs
SELECT chain_id, entry_point, paymaster, created_at / 3600, sum(coalesce(settled_cost_gwei, 0))
FROM sponsorships WHERE state = 'settled' AND created_at > unixepoch() - 90000
GROUP BY 1, 2, 3, 4;

-- What was counted for the row before is subtracted, and what it says now is added: a settled sponsorship may be settled again,
-- in another block, and a released one may turn out to be mined.
CREATE TRIGGER sponsorship_accounted
AFTER UPDATE OF state, settled_cost_gwei, cost_rounding_wei, gas_used, succeeded ON sponsorships
WHEN OLD.state IN ('settled', 'released') OR NEW.state IN ('settled', 'released')
BEGIN
    UPDATE monthly_totals SET
        settled = settled - (OLD.state = 'settled'),
        succeeded = succeeded - (OLD.state = 'settled' AND OLD.succeeded IS 1),
        reverted = reverted - (OLD.state = 'settled' AND OLD.succeeded IS 0),
        released = released - (OLD.state = 'released'),
        worst_case_gwei = worst_case_gwei - iif(OLD.state = 'settled', OLD.max_cost_gwei, 0),
        cost_gwei = cost_gwei - iif(OLD.state = 'settled', coalesce(OLD.settled_cost_gwei, 0), 0),
        cost_rounding_wei = cost_rounding_wei - iif(OLD.state = 'settled', coalesce(OLD.cost_rounding_wei, 0), 0),
        gas_used = gas_used - iif(OLD.state = 'settled', coalesce(OLD.gas_used, 0), 0)
    WHERE OLD.state IN ('settled', 'released')
        AND month = strftime('%Y-%m', OLD.created_at, 'unixepoch') AND chain_id = OLD.chain_id
        AND entry_point = OLD.entry_point AND paymaster = OLD.paymaster AND policy_id = OLD.policy_id
        AND api_key = coalesce(OLD.api_key, '');
    INSERT INTO monthly_totals (month, chain_id, entry_point, paymaster, policy_id, api_key, settled, succeeded, reverted,
        released, worst_case_gwei, cost_gwei, cost_rounding_wei, gas_used)
    SELECT strftime('%Y-%m', NEW.created_at, 'unixepoch'), NEW.chain_id, NEW.entry_point, NEW.paymaster, NEW.policy_id,
        coalesce(NEW.api_key, ''), NEW.state = 'settled', NEW.state = 'settled' AND NEW.succeeded IS 1,
        NEW.state = 'settled' AND NEW.succeeded IS 0, NEW.state = 'released',
        iif(NEW.state = 'settled', NEW.max_cost_gwei, 0),
        iif(NEW.state = 'settled', coalesce(NEW.settled_cost_gwei, 0), 0),
        iif(NEW.state = 'settled', coalesce(NEW.cost_rounding_wei, 0), 0),
        iif(NEW.state = 'settled', coalesce(NEW.gas_used, 0), 0)
    WHERE NEW.state IN ('settled', 'released')
    ON CONFLICT (month, chain_id, entry_point, paymaster, policy_id, api_key) DO UPDATE SET
        settled = settled + excluded.settled, succeeded = succeeded + excluded.succeeded,
        reverted = reverted + excluded.reverted, released = released + excluded.released,
        worst_case_gwei = worst_case_gwei + excluded.worst_case_gwei, cost_gwei = cost_gwei + excluded.cost_gwei,
        cost_rounding_wei = cost_rounding_wei + excluded.cost_rounding_wei, gas_used = gas_used + excluded.gas_used;
    INSERT INTO hourly_costs (chain_id, entry_point, paymaster, hour, gwei)
    SELECT NEW.chain_id, NEW.entry_point, NEW.paymaster, NEW.created_at / 3600,
        iif(NEW.state = 'settled', coalesce(NEW.settled_cost_gwei, 0), 0)
            - iif(OLD.state = 'settled', coalesce(OLD.settled_cost_gwei, 0), 0)
    WHERE NEW.state = 'settled'
    ON CONFLICT (chain_id, entry_point, paymaster, hour) DO UPDATE SET gwei = gwei + excluded.gwei;
    INSERT INTO sender_outcomes (chain_id, sender, day, succeeded, reverted)
    SELECT NEW.chain_id, NEW.sender, NEW.created_at / 86400,
        (NEW.succeeded IS 1) - (OLD.state = 'settled' AND OLD.succeeded IS 1),
        (NEW.succeeded IS 0) - (OLD.state = 'settled' AND OLD.succeeded IS 0)
    WHERE NEW.state = 'settled' AND NEW.succeeded IS NOT NULL
    ON CONFLICT (chain_id, sender, day) DO UPDATE SET
        succeeded = succeeded + excluded.succeeded, reverted = reverted + excluded.reverted;
END;
