//! Nonces of relay keys, and the deletion of expired ones.

use std::time::{Duration, Instant};

use sqlx::SqliteConnection;

use crate::store::{Claim, HOLD_SECONDS, NonceClaim, StoreError};

/// How long a nonce is held, in elapsed time.
const HOLD: Duration = Duration::from_secs(HOLD_SECONDS);

/// One statement decides and writes, so of two equal concurrent requests one is fresh.
pub(super) async fn claim(connection: &mut SqliteConnection, claim: &NonceClaim) -> Result<Claim, StoreError> {
    let written = sqlx::query(
        "INSERT INTO nonces (signer, nonce, seen_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (signer, nonce) DO UPDATE SET seen_at = excluded.seen_at
         WHERE nonces.seen_at < excluded.seen_at - ?4",
    )
    .bind(claim.signer.0.as_slice())
    .bind(claim.nonce.to_be_bytes().to_vec())
    .bind(claim.now.cast_signed())
    .bind(HOLD_SECONDS.cast_signed())
    .execute(connection)
    .await?;
    Ok(if written.rows_affected() == 1 { Claim::Fresh } else { Claim::Replayed })
}

pub(super) async fn release(connection: &mut SqliteConnection, claim: &NonceClaim) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM nonces WHERE signer = ?1 AND nonce = ?2 AND seen_at = ?3")
        .bind(claim.signer.0.as_slice())
        .bind(claim.nonce.to_be_bytes().to_vec())
        .bind(claim.now.cast_signed())
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes expired nonces, judging by both the clock and the elapsed time: a clock that is briefly
/// ahead must not make a used nonce valid again.
#[derive(Default)]
pub(super) struct Sweeper {
    next: Option<Sweep>,
}

/// The rows that the next sweep deletes, and since when that is known.
struct Sweep {
    since: Instant,
    /// Unix seconds, the lowest reading of the clock since then: every nonce seen since then is at
    /// or after it.
    seen_before: u64,
}

impl Sweeper {
    pub(super) async fn sweep(
        &mut self,
        connection: &mut SqliteConnection,
        now: u64,
        instant: Instant,
    ) -> Result<(), StoreError> {
        let seen_before = now.saturating_sub(HOLD_SECONDS);
        let next = self.next.get_or_insert(Sweep { since: instant, seen_before });
        next.seen_before = next.seen_before.min(seen_before);
        if instant.saturating_duration_since(next.since) < HOLD {
            return Ok(());
        }
        sqlx::query("DELETE FROM nonces WHERE seen_at < ?1")
            .bind(next.seen_before.cast_signed())
            .execute(connection)
            .await?;
        self.next = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proto::Address;
    use sqlx::Connection as _;

    use super::super::migrations::MIGRATIONS;
    use super::*;

    #[tokio::test]
    async fn swept_nonces_have_expired_by_clock_and_elapsed_time() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        MIGRATIONS.migrator().run(&mut connection).await.unwrap();
        let (begin, mut sweeper) = (Instant::now(), Sweeper::default());
        let mut kept = Vec::new();
        // Nonce 3 is seen while the clock is ahead, and is kept until the clock reaches that time.
        for (nonce, passed, now) in
            [(1, 0, 10_000), (2, 1, 10_001), (3, 2, 900_000), (4, 3, 10_003), (5, 601, 10_601), (6, 1202, 11_202)]
        {
            let instant = begin + Duration::from_secs(passed);
            sweeper.sweep(&mut connection, now, instant).await.unwrap();
            claim(&mut connection, &NonceClaim { signer: Address([1; 20]), nonce, now }).await.unwrap();
            let count: i64 =
                sqlx::query_scalar("SELECT count(*) FROM nonces").fetch_one(&mut connection).await.unwrap();
            kept.push(count);
        }
        assert_eq!(kept, [1, 2, 3, 4, 5, 6]);
        // The sweep began at 1202: nonces seen before 10602 by then have expired.
        sweeper.sweep(&mut connection, 11_802, begin + Duration::from_secs(1802)).await.unwrap();
        let left: Vec<i64> =
            sqlx::query_scalar("SELECT seen_at FROM nonces ORDER BY seen_at").fetch_all(&mut connection).await.unwrap();
        assert_eq!(left, [11_202, 900_000]);
    }
}
