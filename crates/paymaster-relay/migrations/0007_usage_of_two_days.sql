-- The day that the clock left for `used_day`, and its calls: a clock that comes back to it does not give its quota twice.
ALTER TABLE api_keys ADD COLUMN left_day INTEGER NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN left_calls INTEGER NOT NULL DEFAULT 0;
