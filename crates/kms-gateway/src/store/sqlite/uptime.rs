//! The total time for which gateways have served this database, independent of the host's clock. A
//! clock that is briefly ahead must not expire rows that are kept for days.

use std::time::{Duration, Instant};

use sqlx::SqliteConnection;

use crate::store::StoreError;

/// Adds the time since the last count. The time between the last count and the end of a process is
/// not counted: the sum never exceeds the elapsed time.
pub(super) struct Uptime {
    counted: Instant,
}

impl Uptime {
    pub(super) fn start() -> Self {
        Self { counted: Instant::now() }
    }

    /// Total seconds until now, of this process and earlier ones.
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
