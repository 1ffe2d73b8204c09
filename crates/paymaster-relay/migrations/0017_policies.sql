-- Every version of every policy; the newest of an id counts. Nothing is ever changed or removed:
-- the table is the audit of changes.
CREATE TABLE policy_versions (
    -- Of the change. Other processes see by it that something changed.
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    state TEXT NOT NULL CHECK (state IN ('draft', 'enabled', 'disabled', 'archived')),
    -- The order of policies: the lowest of a chain is its default.
    position INTEGER NOT NULL,
    -- The policy as JSON, with every field, as it was validated.
    document TEXT NOT NULL,
    author TEXT NOT NULL,
    note TEXT,
    created_at INTEGER NOT NULL,
    UNIQUE (id, version)
) STRICT;

CREATE TRIGGER policy_versions_are_never_changed BEFORE UPDATE ON policy_versions
BEGIN
    SELECT RAISE(ABORT, 'a version of a policy is never changed');
END;

CREATE TRIGGER policy_versions_are_never_removed BEFORE DELETE ON policy_versions
BEGIN
    SELECT RAISE(ABORT, 'a version of a policy is never removed');
END;

-- The policies of the configuration file, as they were last applied.
CREATE TABLE policy_seeds (
    id TEXT PRIMARY KEY NOT NULL,
    position INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
