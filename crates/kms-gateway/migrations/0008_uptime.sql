-- For how long gateways have served this database: what is kept for some time is deleted when it is over by this and by the
-- clock, which may be off for a moment.
CREATE TABLE uptime (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    seconds INTEGER NOT NULL
);
INSERT INTO uptime (id, seconds) VALUES (1, 0);
ALTER TABLE creation_permits ADD COLUMN uptime INTEGER NOT NULL DEFAULT 0;
ALTER TABLE creations ADD COLUMN uptime INTEGER NOT NULL DEFAULT 0;
