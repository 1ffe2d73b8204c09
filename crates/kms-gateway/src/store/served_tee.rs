//! Which TEE this gateway has served, by its paymaster signer.

use proto::Address;
use sqlx::{SqliteConnection, SqlitePool};

use super::StoreError;

/// The first one stays, until it is forgotten.
pub(super) async fn remember(connection: &mut SqliteConnection, paymaster_signer: Address) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO served_tee (id, paymaster_signer) VALUES (1, ?1) ON CONFLICT DO NOTHING")
        .bind(paymaster_signer.0.as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn forget(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM served_tee").execute(connection).await?;
    Ok(())
}

pub(super) async fn read(pool: &SqlitePool) -> Result<Option<Address>, StoreError> {
    let signer: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT paymaster_signer FROM served_tee").fetch_optional(pool).await?;
    let signer = signer.map(|bytes| <[u8; 20]>::try_from(bytes.as_slice()).map(Address));
    signer.transpose().map_err(|problem| StoreError::Database(sqlx::Error::Decode(problem.into())))
}
