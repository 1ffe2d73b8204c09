-- What a sponsorship is counted in while it is open stands in its row, as [[scope, subject], ...]: who reserves names the
-- counters, and another one needs no other view.
ALTER TABLE sponsorships ADD COLUMN counters TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(counters));
UPDATE sponsorships SET counters = (
    SELECT json_group_array(json_array(scope, subject)) FROM charges WHERE charges.id = sponsorships.id
) WHERE state IN ('reserved', 'signed');

DROP VIEW charges;
CREATE VIEW charges AS
SELECT sponsorships.id AS id, state, max_cost_gwei, entry_point, paymaster,
    counter.value ->> 0 AS scope, counter.value ->> 1 AS subject
FROM sponsorships, json_each(sponsorships.counters) AS counter;
