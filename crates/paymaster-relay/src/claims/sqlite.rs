//! Claims where there is no Redis: sponsorships are in an embedded database, which refuses a second
//! open one of the same intent. Its row is the claim.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Claim, ClaimStore, ClaimStoreError};
use crate::ports::Clock;
use crate::sqlite::Database;

/// Leaves claims to the reservations of a database. Earlier versions kept them in the table
/// `claims`, whose rows still expire.
#[derive(Clone)]
pub struct SqliteClaims {
    database: Database,
    clock: Arc<dyn Clock>,
}

impl SqliteClaims {
    /// Uses the database of the reservations.
    #[must_use]
    pub fn new(database: &Database, clock: Arc<dyn Clock>) -> Self {
        Self { database: database.clone(), clock }
    }
}

#[async_trait]
impl ClaimStore for SqliteClaims {
    /// Writes nothing, but fails if the reservation could not be written either: the database is
    /// closed, or its file is not in its place.
    async fn claim(&self, _: &[u8; 32], _: &str, _: Duration) -> Result<Claim, ClaimStoreError> {
        self.database.writer().is_in_place().map_err(ClaimStoreError::new)?;
        Ok(Claim::LeftToReservation)
    }

    async fn release(&self, _: &[u8; 32], _: &str) -> Result<(), ClaimStoreError> {
        Ok(())
    }

    async fn tidy(&self) -> Result<(), ClaimStoreError> {
        let now = i64::try_from(self.clock.now()).map_err(ClaimStoreError::new)?;
        let statement = sqlx::query("DELETE FROM claims WHERE expires_at <= ?1").bind(now);
        self.database.change(statement).await.map(drop).map_err(ClaimStoreError::new)
    }

    async fn takes_claims(&self) -> Result<(), ClaimStoreError> {
        self.database.try_out().await.map_err(ClaimStoreError::new)
    }

    async fn ready(&self) -> Result<(), ClaimStoreError> {
        self.database.probe().await.map_err(ClaimStoreError::new)
    }
}
