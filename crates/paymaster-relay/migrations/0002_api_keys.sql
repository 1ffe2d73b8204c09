-- API keys. The key itself is never stored, only its SHA-256.
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY NOT NULL,
    hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    label TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('server', 'publishable')),
    -- Lists of words, as JSON.
    scopes TEXT NOT NULL,
    policies TEXT NOT NULL,
    origins TEXT NOT NULL,
    -- Calls in one UTC day; null: any number.
    daily_calls INTEGER CHECK (daily_calls > 0),
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    last_used_at INTEGER,
    -- Days since 1970, and the calls counted in that one.
    used_day INTEGER NOT NULL DEFAULT 0,
    used_calls INTEGER NOT NULL DEFAULT 0
) STRICT;
