//! Permissions to create accounts: the hourly limits and the uses of invitations are counted in
//! these rows.

use proto::Hash;
use proto::json::invitation::MAX_SECONDS;
use sqlx::{SqliteConnection, SqliteExecutor, SqlitePool};

use crate::store::{Permit, PermitRequest, StoreError};

const HOUR: u64 = 3600;
/// Seconds: longer than any invitation is valid, allowing for clock differences.
const KEPT: u64 = MAX_SECONDS + HOUR;
/// Maximum difference of the queueing times of two requests, in seconds.
const QUEUED: u64 = 60;

/// The period of an hourly limit: the last hour, by both the clock and the elapsed time. A
/// permission granted while the clock was ahead is counted neither now nor when the clock reaches
/// that time.
struct LastHour {
    begin: i64,
    end: i64,
    begin_of_uptime: i64,
}

impl LastHour {
    fn of(now: u64, uptime: i64) -> Self {
        Self {
            begin: now.saturating_sub(HOUR).cast_signed(),
            // Requests read the clock before they are queued.
            end: now.saturating_add(QUEUED).cast_signed(),
            begin_of_uptime: uptime.saturating_sub_unsigned(HOUR),
        }
    }
}

pub(super) async fn forget(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM creation_permits").execute(connection).await?;
    Ok(())
}

/// Whether permission was granted for the account of this credential.
pub(super) async fn is_given<'e>(executor: impl SqliteExecutor<'e>, credential_id: &[u8]) -> Result<bool, StoreError> {
    let given = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM creation_permits WHERE credential_id = ?1)")
        .bind(credential_id)
        .fetch_one(executor)
        .await?;
    Ok(given)
}

/// The number of credentials for which an invitation was used.
pub(super) async fn uses_of_invitation(readers: &SqlitePool, digest: &Hash) -> Result<u32, StoreError> {
    let uses = sqlx::query_scalar("SELECT count(*) FROM creation_permits WHERE invitation = ?1")
        .bind(&digest.0[..])
        .fetch_one(readers)
        .await?;
    Ok(uses)
}

/// Counts and grants in one statement. Rows that expired by the clock alone are kept: a used-up
/// invitation must not become valid again when a clock that was ahead is corrected.
pub(super) async fn give(
    connection: &mut SqliteConnection,
    request: &PermitRequest,
    uptime: i64,
) -> Result<Permit, StoreError> {
    let PermitRequest { credential_id, authoriser, invitation, per_hour, now } = request;
    sqlx::query("DELETE FROM creation_permits WHERE given_at < ?1 AND uptime < ?2")
        .bind(now.saturating_sub(KEPT).cast_signed())
        .bind(uptime.saturating_sub_unsigned(KEPT))
        .execute(&mut *connection)
        .await?;
    let hour = LastHour::of(*now, uptime);
    let (used, max_uses) = invitation.map_or((None, 0), |(hash, max_uses)| (Some(hash.0.to_vec()), max_uses));
    let given = sqlx::query(
        "INSERT INTO creation_permits (credential_id, authoriser, invitation, given_at, uptime)
         SELECT ?1, ?2, ?3, ?4, ?5
         WHERE (SELECT count(*) FROM creation_permits
                WHERE authoriser = ?2 AND given_at > ?6 AND given_at < ?7 AND uptime > ?8) < ?9
             AND (?3 IS NULL OR (SELECT count(*) FROM creation_permits WHERE invitation = ?3) < ?10)
         ON CONFLICT (credential_id) DO NOTHING",
    )
    .bind(credential_id.as_slice())
    .bind(authoriser)
    .bind(used.as_deref())
    .bind(now.cast_signed())
    .bind(uptime)
    .bind(hour.begin)
    .bind(hour.end)
    .bind(hour.begin_of_uptime)
    .bind(per_hour)
    .bind(max_uses)
    .execute(&mut *connection)
    .await?;
    if given.rows_affected() == 1 {
        return Ok(Permit::Given);
    }
    if is_given(&mut *connection, credential_id).await? {
        return Ok(Permit::GivenBefore);
    }
    let in_the_hour: (i64, Option<i64>) = sqlx::query_as(
        "SELECT count(*), min(given_at) FROM creation_permits
             WHERE authoriser = ?1 AND given_at > ?2 AND given_at < ?3 AND uptime > ?4",
    )
    .bind(authoriser)
    .bind(hour.begin)
    .bind(hour.end)
    .bind(hour.begin_of_uptime)
    .fetch_one(connection)
    .await?;
    match in_the_hour {
        (count, Some(oldest)) if count >= i64::from(*per_hour) => {
            let again = oldest.cast_unsigned().saturating_add(HOUR).saturating_sub(*now);
            Ok(Permit::Rationed { retry_after_seconds: again.clamp(1, HOUR) })
        }
        _ => Ok(Permit::UsedUp),
    }
}
