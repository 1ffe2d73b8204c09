-- The webhook that is told what becomes of a sponsorship; NULL for none.
ALTER TABLE sponsorships ADD COLUMN webhook TEXT;

-- What is to be told: written by whatever settles or releases a sponsorship, deleted once the webhook has acknowledged it.
CREATE TABLE webhook_events (
    sponsorship_id TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('settled', 'released', 'unknown')),
    webhook TEXT NOT NULL,
    -- Unix seconds at which delivery began; 0 before.
    begun_at INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (sponsorship_id, outcome)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_events_due ON webhook_events (webhook, due_at);
CREATE INDEX webhook_events_begun ON webhook_events (webhook, begun_at);

CREATE TRIGGER sponsorship_finalised AFTER UPDATE OF state ON sponsorships
WHEN NEW.webhook IS NOT NULL AND NEW.state IN ('settled', 'released') AND OLD.state <> NEW.state
BEGIN
    INSERT OR IGNORE INTO webhook_events (sponsorship_id, outcome, webhook)
    VALUES (
        NEW.id,
        CASE WHEN NEW.state = 'released' THEN 'released' WHEN NEW.succeeded IS NULL THEN 'unknown' ELSE 'settled' END,
        NEW.webhook
    );
END;
