-- What each policy spends in its windows is counted in rows that change with the sponsorships themselves, as open
-- reservations are. A sponsorship counts with its worst case while it is open, and with what it cost once it is settled.

-- What the sponsorship is counted in, as [[scope, subject, window, start, end, unit, chain, amount], ...]: amounts of gwei,
-- operations, gas or micro-USD; chain 0 for what is counted over all chains; end null for a total.
ALTER TABLE sponsorships ADD COLUMN usage TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(usage));
-- The price at which its amounts of micro-USD were counted; NULL where none are.
ALTER TABLE sponsorships ADD COLUMN micro_usd_per_ether INTEGER;

CREATE TABLE policy_usage (
    policy_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    subject TEXT NOT NULL,
    window_name TEXT NOT NULL,
    window_start INTEGER NOT NULL,
    unit TEXT NOT NULL CHECK (unit IN ('gwei', 'operations', 'gas', 'micro_usd')),
    chain_id INTEGER NOT NULL,
    window_end INTEGER,
    reserved INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    PRIMARY KEY (policy_id, scope, subject, window_name, window_start, unit, chain_id)
) STRICT, WITHOUT ROWID;
-- For forgetting what is over.
CREATE INDEX policy_usage_ended ON policy_usage (window_end) WHERE window_end IS NOT NULL;

-- What each sponsorship counts for. The EntryPoint charges no more than the worst case; a node that says otherwise is not
-- believed, and the products stay within 63 bits.
CREATE VIEW policy_charges AS
SELECT id, state, policy_id, scope, subject, window_name, window_start, unit, chain_id, window_end,
    CASE WHEN state IN ('reserved', 'signed') THEN amount ELSE 0 END AS reserved,
    CASE WHEN state <> 'settled' THEN 0
        WHEN unit = 'gwei' THEN min(amount, cost_gwei)
        WHEN unit = 'micro_usd' THEN min(amount, (cost_gwei * micro_usd_per_ether + 999999999) / 1000000000)
        ELSE amount END AS settled
FROM (
    SELECT sponsorships.id AS id, state, policy_id, micro_usd_per_ether,
        min(max_cost_gwei, coalesce(settled_cost_gwei, max_cost_gwei)) AS cost_gwei,
        counter.value ->> 0 AS scope, counter.value ->> 1 AS subject, counter.value ->> 2 AS window_name,
        counter.value ->> 3 AS window_start, counter.value ->> 4 AS window_end, counter.value ->> 5 AS unit,
        counter.value ->> 6 AS chain_id, counter.value ->> 7 AS amount
    FROM sponsorships, json_each(sponsorships.usage) AS counter
);

CREATE TRIGGER policy_usage_begun AFTER INSERT ON sponsorships WHEN NEW.usage <> '[]'
BEGIN
    INSERT INTO policy_usage (policy_id, scope, subject, window_name, window_start, unit, chain_id, window_end, reserved, settled)
    SELECT policy_id, scope, subject, window_name, window_start, unit, chain_id, window_end, reserved, settled
    FROM policy_charges WHERE id = NEW.id
    ON CONFLICT (policy_id, scope, subject, window_name, window_start, unit, chain_id)
    DO UPDATE SET reserved = reserved + excluded.reserved, settled = settled + excluded.settled;
END;

-- Before the change the view shows what was counted, after it what is to be.
CREATE TRIGGER policy_usage_taken_back BEFORE UPDATE OF state, settled_cost_gwei ON sponsorships
WHEN OLD.usage <> '[]' AND NOT (OLD.state IN ('reserved', 'signed') AND NEW.state IN ('reserved', 'signed'))
BEGIN
    INSERT INTO policy_usage (policy_id, scope, subject, window_name, window_start, unit, chain_id, window_end, reserved, settled)
    SELECT policy_id, scope, subject, window_name, window_start, unit, chain_id, window_end, -reserved, -settled
    FROM policy_charges WHERE id = OLD.id
    ON CONFLICT (policy_id, scope, subject, window_name, window_start, unit, chain_id)
    DO UPDATE SET reserved = reserved + excluded.reserved, settled = settled + excluded.settled;
END;

CREATE TRIGGER policy_usage_changed AFTER UPDATE OF state, settled_cost_gwei ON sponsorships
WHEN NEW.usage <> '[]' AND NOT (OLD.state IN ('reserved', 'signed') AND NEW.state IN ('reserved', 'signed'))
BEGIN
    INSERT INTO policy_usage (policy_id, scope, subject, window_name, window_start, unit, chain_id, window_end, reserved, settled)
    SELECT policy_id, scope, subject, window_name, window_start, unit, chain_id, window_end, reserved, settled
    FROM policy_charges WHERE id = NEW.id
    ON CONFLICT (policy_id, scope, subject, window_name, window_start, unit, chain_id)
    DO UPDATE SET reserved = reserved + excluded.reserved, settled = settled + excluded.settled;
    DELETE FROM policy_usage
    WHERE reserved = 0 AND settled = 0
        AND (policy_id, scope, subject, window_name, window_start, unit, chain_id) IN (
            SELECT policy_id, scope, subject, window_name, window_start, unit, chain_id
            FROM policy_charges WHERE id = NEW.id
        );
END;
