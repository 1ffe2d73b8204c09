//! Claims in the embedded database, where there is no Redis.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqlitePool;

use super::{Claim, NonceStore, NonceStoreError};
use crate::ports::Clock;

/// An expired claim is overwritten, a living one stays; either way the row tells whose it is.
const CLAIM: &str = "
    INSERT INTO claims (key, holder, expires_at) VALUES (?1, ?2, ?3)
    ON CONFLICT (key) DO UPDATE SET
        holder = CASE WHEN expires_at <= ?4 THEN excluded.holder ELSE holder END,
        expires_at = CASE WHEN expires_at <= ?4 THEN excluded.expires_at ELSE expires_at END
    RETURNING holder";

/// Claims in the `claims` table.
#[derive(Clone)]
pub struct SqliteNonces {
    pool: SqlitePool,
    clock: Arc<dyn Clock>,
}

impl SqliteNonces {
    /// Over the pool of a [`crate::store::SqliteStore`], which brought the table.
    #[must_use]
    pub fn new(pool: SqlitePool, clock: Arc<dyn Clock>) -> Self {
        Self { pool, clock }
    }
}

#[async_trait]
impl NonceStore for SqliteNonces {
    async fn claim(&self, key: &[u8; 32], holder: &str, ttl: Duration) -> Result<Claim, NonceStoreError> {
        let now = self.clock.now();
        let seconds = |value: u64| i64::try_from(value).map_err(NonceStoreError::new);
        let now_holding: String = sqlx::query_scalar(CLAIM)
            .bind(&key[..])
            .bind(holder)
            .bind(seconds(now.saturating_add(ttl.as_secs().max(1)))?)
            .bind(seconds(now)?)
            .fetch_one(&self.pool)
            .await
            .map_err(NonceStoreError::new)?;
        Ok(if now_holding == holder { Claim::Fresh } else { Claim::Held { holder: now_holding } })
    }

    async fn release(&self, key: &[u8; 32], holder: &str) -> Result<(), NonceStoreError> {
        sqlx::query("DELETE FROM claims WHERE key = ?1 AND holder = ?2")
            .bind(&key[..])
            .bind(holder)
            .execute(&self.pool)
            .await
            .map(|_| ())
            .map_err(NonceStoreError::new)
    }

    async fn tidy(&self) -> Result<(), NonceStoreError> {
        let now = i64::try_from(self.clock.now()).map_err(NonceStoreError::new)?;
        sqlx::query("DELETE FROM claims WHERE expires_at <= ?1")
            .bind(now)
            .execute(&self.pool)
            .await
            .map(|_| ())
            .map_err(NonceStoreError::new)
    }

    async fn ready(&self) -> Result<(), NonceStoreError> {
        sqlx::query("SELECT key FROM claims LIMIT 1")
            .fetch_optional(&self.pool)
            .await
            .map(|_| ())
            .map_err(NonceStoreError::new)
    }
}
