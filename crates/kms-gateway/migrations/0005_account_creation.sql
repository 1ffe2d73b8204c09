-- A creation whose TEE did not answer, or whose row can't be read, goes behind the others.
ALTER TABLE creations ADD COLUMN tried_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX creations_by_turn ON creations (tried_at, expires_at);

-- Seals the registrations that clients carry from the beginning of the ceremony to the account.
CREATE TABLE registration_key (
    id  INTEGER PRIMARY KEY CHECK (id = 1),
    key BLOB    NOT NULL CHECK (length(key) = 32)
);

-- By whose leave an account of this credential was made, or tried. The rations and the uses of invitations are counted here.
CREATE TABLE creation_permits (
    credential_id BLOB    PRIMARY KEY,
    authoriser    TEXT    NOT NULL,
    invitation    BLOB,
    given_at      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX creation_permits_by_authoriser ON creation_permits (authoriser, given_at);
CREATE INDEX creation_permits_by_invitation ON creation_permits (invitation) WHERE invitation IS NOT NULL;
CREATE INDEX creation_permits_by_age ON creation_permits (given_at);

-- Rewritten to find out whether the disk takes a write.
CREATE TABLE write_probe (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    filler BLOB    NOT NULL
);
