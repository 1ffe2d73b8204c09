-- The audit learns two more words: `unknown`, of an admin command that may have taken effect though the TEE did not say so,
-- and `observed`, of what the TEE's admin counter told afterwards. The rows stay as they are, hashes included.
CREATE TABLE audit_next (
    seq          INTEGER PRIMARY KEY,
    at           INTEGER NOT NULL,
    request_id   TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    account_id   TEXT,
    signer       TEXT,
    user_op_hash TEXT,
    context_hash TEXT,
    decision     TEXT    NOT NULL CHECK (decision IN ('allowed', 'refused', 'unknown', 'observed')),
    reason       TEXT    NOT NULL,
    counter_from INTEGER,
    counter_to   INTEGER,
    prev_hash    BLOB    NOT NULL,
    hash         BLOB    NOT NULL
);
INSERT INTO audit_next
    SELECT seq, at, request_id, action, account_id, signer, user_op_hash, context_hash, decision, reason, NULL, NULL,
           prev_hash, hash
    FROM audit;
DROP TABLE audit;
ALTER TABLE audit_next RENAME TO audit;
CREATE TRIGGER audit_is_never_updated BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only');
END;
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only');
END;
CREATE INDEX audit_of_admin_commands ON audit (seq) WHERE counter_to IS NOT NULL AND decision IN ('allowed', 'observed');
