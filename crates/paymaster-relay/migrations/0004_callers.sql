-- The share of unproven reservations that one caller may have, whose account ids count for themselves, and the rates of
-- API keys.

-- Calls that an API key may make in a minute, and at once; NULL: any number. A publishable key is never without.
ALTER TABLE api_keys ADD COLUMN calls_per_minute INTEGER CHECK (calls_per_minute > 0);
ALTER TABLE api_keys ADD COLUMN burst INTEGER CHECK (burst > 0);
UPDATE api_keys SET calls_per_minute = 600, burst = 600 WHERE kind = 'publishable';

-- 1 when somebody answers for the account id: its passkey, or the server that holds the API key. What anybody can name,
-- anybody could fill for others.
ALTER TABLE sponsorships ADD COLUMN vouched INTEGER NOT NULL DEFAULT 1 CHECK (vouched IN (0, 1));

-- Rows from before `proven` was a column, which took them all for proven: what was signed without an assertion has the
-- zero hash. Their idempotency keys were unique within the account and would meet each other among those of nobody. An
-- operation that nobody's passkey approved again since then is open twice; the older row stays as it is and ends with its
-- window. What is not signed yet can't be told apart, and ends the same way.
UPDATE OR IGNORE sponsorships SET proven = 0, idempotency_key = NULL
WHERE proven AND user_signature_hash = zeroblob(32);

UPDATE sponsorships SET vouched = 0
WHERE NOT proven AND (api_key IS NULL OR api_key IN (SELECT id FROM api_keys WHERE kind = 'publishable'));

DROP VIEW charges;
CREATE VIEW charges AS
SELECT id, state, max_cost_gwei, entry_point, paymaster, 'deployment' AS scope, '' AS subject FROM sponsorships
UNION ALL
SELECT id, state, max_cost_gwei, entry_point, paymaster, 'api_key', api_key FROM sponsorships WHERE api_key IS NOT NULL
UNION ALL
SELECT id, state, max_cost_gwei, entry_point, paymaster, 'unproven', '' FROM sponsorships WHERE NOT proven
UNION ALL
SELECT id, state, max_cost_gwei, entry_point, paymaster, 'unproven_caller', principal FROM sponsorships WHERE NOT proven
UNION ALL
SELECT id, state, max_cost_gwei, entry_point, paymaster, 'account',
    CASE WHEN proven THEN principal ELSE principal || '/' || account_id END
FROM sponsorships WHERE vouched;

DELETE FROM open_reservations;
INSERT INTO open_reservations (entry_point, paymaster, scope, subject, open, gwei)
SELECT entry_point, paymaster, scope, subject, open, gwei FROM open_charges;
