-- Settled without a log that names them: at most one of those with the same nonce was mined.
CREATE INDEX sponsorships_unknown ON sponsorships (chain_id, sender, account_nonce)
    WHERE state = 'settled' AND succeeded IS NULL;
