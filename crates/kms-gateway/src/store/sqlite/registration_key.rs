//! The key that seals registrations in progress: created at the first start, so that they survive
//! later restarts.

use sqlx::SqlitePool;
use zeroize::Zeroizing;

use crate::ceremony::SealingKey;
use crate::store::StoreError;

/// Called before the writer exists.
pub(super) async fn make(pool: &SqlitePool) -> Result<(), StoreError> {
    let key = SealingKey::random().map_err(|error| sqlx::Error::Encode(error.to_string().into()))?;
    sqlx::query("INSERT INTO registration_key (id, key) VALUES (1, ?1) ON CONFLICT DO NOTHING")
        .bind(key.as_bytes().as_slice())
        .execute(pool)
        .await?;
    Ok(())
}

pub(super) async fn read(pool: &SqlitePool) -> Result<SealingKey, StoreError> {
    let bytes: Vec<u8> = sqlx::query_scalar("SELECT key FROM registration_key").fetch_one(pool).await?;
    let bytes = Zeroizing::new(bytes);
    let key = <[u8; SealingKey::LENGTH]>::try_from(bytes.as_slice());
    Ok(SealingKey::new(Zeroizing::new(key.map_err(|error| sqlx::Error::Decode(error.into()))?)))
}
