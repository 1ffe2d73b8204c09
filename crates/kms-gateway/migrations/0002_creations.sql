-- Accounts that the TEE was asked to make, written before it is asked: what a gateway that was killed has to know.
CREATE TABLE creations (
    registration_id TEXT    PRIMARY KEY,
    account_id      TEXT    NOT NULL,
    credential_id   BLOB    NOT NULL,
    registration    BLOB    NOT NULL,
    asked_at        INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL
);
CREATE INDEX creations_by_end ON creations (expires_at);
CREATE INDEX creations_by_account ON creations (account_id);
