//! The TEE that is served.

use proto::{Address, TeeId};
use sqlx::{SqliteConnection, SqlitePool};

use super::permits;
use crate::store::{ServedTeeRow, StoreError};
use crate::transport::TeeName;

/// The first one remains until it is forgotten. A row without an id gets it.
pub(super) async fn remember(
    connection: &mut SqliteConnection,
    tee_id: TeeId,
    paymaster_signer: Address,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO served_tee (id, paymaster_signer, tee_id) VALUES (1, ?1, ?2)
         ON CONFLICT (id) DO UPDATE SET tee_id = excluded.tee_id WHERE served_tee.tee_id IS NULL",
    )
    .bind(paymaster_signer.0.as_slice())
    .bind(tee_id.0.as_slice())
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn forget(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM served_tee").execute(&mut *connection).await?;
    permits::forget(connection).await
}

pub(super) async fn read(pool: &SqlitePool) -> Result<Option<ServedTeeRow>, StoreError> {
    let row: Option<(Vec<u8>, Option<Vec<u8>>)> =
        sqlx::query_as("SELECT paymaster_signer, tee_id FROM served_tee").fetch_optional(pool).await?;
    let Some((signer, tee_id)) = row else { return Ok(None) };
    let paymaster_signer = Address(fixed(&signer)?);
    let name = match tee_id {
        Some(id) => TeeName::Id(TeeId(fixed(&id)?)),
        None => TeeName::PaymasterSigner(paymaster_signer),
    };
    Ok(Some(ServedTeeRow { name, paymaster_signer }))
}

fn fixed<const LENGTH: usize>(bytes: &[u8]) -> Result<[u8; LENGTH], StoreError> {
    bytes
        .try_into()
        .map_err(|problem: std::array::TryFromSliceError| StoreError::Database(sqlx::Error::Decode(problem.into())))
}
