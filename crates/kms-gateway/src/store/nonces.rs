//! Nonces of relay keys: each is good once in the time a request may be late or early.

use proto::Address;
use sqlx::SqliteConnection;

use super::StoreError;

/// Seconds a nonce is held. A timestamp may be 300 s ahead at first and 300 s behind at last, so a request can come
/// again for this long.
pub const HOLD_SECONDS: u64 = 600;
/// Seconds between two sweeps of nonces that are held no longer.
const SWEEP_SECONDS: u64 = 60;

/// A nonce as a request carries it.
#[derive(Clone, Copy, Debug)]
pub struct NonceClaim {
    /// The relay key, recovered from its signature.
    pub signer: Address,
    /// Its nonce.
    pub nonce: u64,
    /// Unix seconds.
    pub now: u64,
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Never seen, or long ago.
    Fresh,
    /// Seen within [`HOLD_SECONDS`].
    Replayed,
}

/// One statement decides and writes, so of two equal requests at once one is fresh.
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

/// Gives a claim back: nothing came of its request, which may be sent again as it is.
pub(super) async fn release(connection: &mut SqliteConnection, claim: &NonceClaim) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM nonces WHERE signer = ?1 AND nonce = ?2 AND seen_at = ?3")
        .bind(claim.signer.0.as_slice())
        .bind(claim.nonce.to_be_bytes().to_vec())
        .bind(claim.now.cast_signed())
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets what is held no longer, once in a while.
#[derive(Default)]
pub(super) struct Sweeper {
    last: u64,
}

impl Sweeper {
    pub(super) async fn sweep(&mut self, connection: &mut SqliteConnection, now: u64) -> Result<(), StoreError> {
        if now.saturating_sub(self.last) < SWEEP_SECONDS {
            return Ok(());
        }
        sqlx::query("DELETE FROM nonces WHERE seen_at < ?1")
            .bind(now.saturating_sub(HOLD_SECONDS).cast_signed())
            .execute(connection)
            .await?;
        self.last = now;
        Ok(())
    }
}
