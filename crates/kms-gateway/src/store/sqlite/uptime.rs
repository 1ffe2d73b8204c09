//! For how long gateways have served this database, whatever the host's clock said. A clock that is
//! ahead for a moment must not end what is kept for days.

use std::time::{Duration, Instant};

use sqlx::SqliteConnection;

use crate::store::StoreError;

/// Counts the time since it was counted last. What passes between the last count and the end of the
/// process is not counted: the sum is never more than the time that has passed.
pub(super) struct Uptime {
    counted: Instant,
}

impl Uptime {
    pub(super) fn start() -> Self {
        Self { counted: Instant::now() }
    }

    /// Seconds until now, this process and those before it together.
    pub(super) async fn count(&mut self, connection: &mut SqliteConnection) -> Result<i64, StoreError> {
        let seconds = self.counted.elapsed().as_secs();
        let sum = sqlx::query_scalar("UPDATE uptime SET seconds = seconds + ?1 RETURNING seconds")
            .bind(seconds.cast_signed())
            .fetch_one(connection)
            .await?;
        self.counted += Duration::from_secs(seconds);
        Ok(sum)
    }
}
