-- The highest block that was to be read next, ever: a latest block far below it is one of a node that lags, unless the chain
-- is another one.
ALTER TABLE settlement_cursors ADD COLUMN highest_block INTEGER NOT NULL DEFAULT 0;
UPDATE settlement_cursors SET highest_block = next_block;

-- Blocks of the chain that were final: one of them with another hash tells a chain that was reset.
CREATE TABLE known_blocks (
    number INTEGER PRIMARY KEY NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
