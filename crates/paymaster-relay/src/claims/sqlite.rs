//! Claims in the embedded database, if there is no Redis.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use sqlx::Sqlite;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;

use super::{Claim, ClaimStore, ClaimStoreError};
use crate::ports::Clock;
use crate::sqlite::{Changes, Database};
use crate::store_error::StoreError;

/// An expired claim is overwritten, a live one stays; in both cases the row contains the holder.
const CLAIM: &str = "
    INSERT INTO claims (key, holder, expires_at) VALUES (?1, ?2, ?3)
    ON CONFLICT (key) DO UPDATE SET
        holder = CASE WHEN expires_at <= ?4 THEN excluded.holder ELSE holder END,
        expires_at = CASE WHEN expires_at <= ?4 THEN excluded.expires_at ELSE expires_at END
    RETURNING holder";

/// Claims in the `claims` table.
#[derive(Clone)]
pub struct SqliteClaims {
    database: Database,
    clock: Arc<dyn Clock>,
}

impl SqliteClaims {
    /// Uses a database that has the table.
    #[must_use]
    pub fn new(database: &Database, clock: Arc<dyn Clock>) -> Self {
        Self { database: database.clone(), clock }
    }

    async fn change(&self, statement: Query<'static, Sqlite, SqliteArguments>) -> Result<(), ClaimStoreError> {
        self.database.change(statement).await.map(drop).map_err(ClaimStoreError::new)
    }
}

#[async_trait]
impl ClaimStore for SqliteClaims {
    async fn claim(&self, key: &[u8; 32], holder: &str, ttl: Duration) -> Result<Claim, ClaimStoreError> {
        let now = self.clock.now();
        let seconds = |value: u64| i64::try_from(value).map_err(ClaimStoreError::new);
        let claim = sqlx::query_scalar(CLAIM)
            .bind(key.to_vec())
            .bind(holder.to_owned())
            .bind(seconds(now.saturating_add(ttl.as_secs().max(1)))?)
            .bind(seconds(now)?);
        let now_holding: String = self
            .database
            .writer()
            .write(move |connection| {
                async move { claim.fetch_one(connection).await.map(Changes::Kept).map_err(StoreError::new) }.boxed()
            })
            .await
            .map_err(ClaimStoreError::new)?;
        Ok(if now_holding == holder { Claim::Fresh } else { Claim::Held { holder: now_holding } })
    }

    async fn release(&self, key: &[u8; 32], holder: &str) -> Result<(), ClaimStoreError> {
        let statement = sqlx::query("DELETE FROM claims WHERE key = ?1 AND holder = ?2").bind(&key[..]).bind(holder);
        self.change(statement).await
    }

    async fn tidy(&self) -> Result<(), ClaimStoreError> {
        let now = i64::try_from(self.clock.now()).map_err(ClaimStoreError::new)?;
        self.change(sqlx::query("DELETE FROM claims WHERE expires_at <= ?1").bind(now)).await
    }

    async fn takes_claims(&self) -> Result<(), ClaimStoreError> {
        self.database.try_out().await.map_err(ClaimStoreError::new)
    }

    async fn ready(&self) -> Result<(), ClaimStoreError> {
        self.database.probe().await.map_err(ClaimStoreError::new)
    }
}
