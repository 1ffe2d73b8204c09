-- What anybody can ask for without a passkey (a publishable API key, or none) is counted together: it has a part of what is
-- unproven, and leaves the rest to servers' keys.

DROP VIEW charges;
CREATE VIEW charges AS
SELECT id, state, max_cost_gwei, entry_point, paymaster, 'deployment' AS scope, '' AS subject FROM sponsorships
UNION ALL
SELECT id, state, max_cost_gwei, entry_point, paymaster, 'api_key', api_key FROM sponsorships WHERE api_key IS NOT NULL
UNION ALL
SELECT id, state, max_cost_gwei, entry_point, paymaster, 'unproven', '' FROM sponsorships WHERE NOT proven
UNION ALL
SELECT id, state, max_cost_gwei, entry_point, paymaster, 'unproven_public', ''
FROM sponsorships WHERE NOT proven AND NOT vouched
UNION ALL
SELECT id, state, max_cost_gwei, entry_point, paymaster, 'unproven_caller', principal FROM sponsorships WHERE NOT proven
UNION ALL
SELECT id, state, max_cost_gwei, entry_point, paymaster, 'account',
    CASE WHEN proven THEN principal ELSE principal || '/' || account_id END
FROM sponsorships WHERE vouched;

DELETE FROM open_reservations;
INSERT INTO open_reservations (entry_point, paymaster, scope, subject, open, gwei)
SELECT entry_point, paymaster, scope, subject, open, gwei FROM open_charges;
