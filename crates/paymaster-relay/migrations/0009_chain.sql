-- The chain that the sponsorships and settlement cursors of this database belong to: none of them has a chain id of its own.
CREATE TABLE chain (
    only INTEGER PRIMARY KEY NOT NULL CHECK (only = 1),
    id TEXT NOT NULL
) STRICT;
