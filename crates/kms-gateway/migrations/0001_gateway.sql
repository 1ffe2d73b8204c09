-- Nonces of relay keys, kept as long as a request that carries them may still be in time.
CREATE TABLE nonces (
    signer  BLOB    NOT NULL,
    nonce   BLOB    NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (signer, nonce)
) WITHOUT ROWID;
CREATE INDEX nonces_by_age ON nonces (seen_at);

-- An index of what the TEE holds; the TEE is right where they differ.
CREATE TABLE accounts (
    account_id       TEXT    PRIMARY KEY,
    credential_id    BLOB    NOT NULL UNIQUE,
    owner            TEXT    NOT NULL,
    signature_scheme TEXT    NOT NULL,
    created_at       INTEGER NOT NULL
);

-- One row for every decision, each bound to the one before it.
CREATE TABLE audit (
    seq          INTEGER PRIMARY KEY,
    at           INTEGER NOT NULL,
    request_id   TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    account_id   TEXT,
    signer       TEXT,
    user_op_hash TEXT,
    context_hash TEXT,
    decision     TEXT    NOT NULL CHECK (decision IN ('allowed', 'refused')),
    reason       TEXT    NOT NULL,
    prev_hash    BLOB    NOT NULL,
    hash         BLOB    NOT NULL
);
CREATE TRIGGER audit_is_never_updated BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only');
END;
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only');
END;
