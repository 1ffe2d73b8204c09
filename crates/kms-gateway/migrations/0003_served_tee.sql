-- The TEE that this gateway has served: one that has lost its state must not be taken for a new one.
CREATE TABLE served_tee (
    id               INTEGER PRIMARY KEY CHECK (id = 1),
    paymaster_signer BLOB    NOT NULL CHECK (length(paymaster_signer) = 20)
);
