//! The account index.

use proto::AccountId;
use proto::command::{SignatureScheme, WalletInfo};
use sqlx::{SqliteConnection, SqlitePool};

use crate::store::{AccountEntry, StoreError};

/// Returns whether the account is new.
pub(super) async fn save(connection: &mut SqliteConnection, account: &AccountEntry) -> Result<bool, StoreError> {
    let WalletInfo { account_id, owner, signature_scheme, .. } = &account.wallet;
    let inserted = sqlx::query(
        "INSERT INTO accounts (account_id, credential_id, owner, signature_scheme, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
    )
    .bind(account_id.as_str())
    .bind(account.credential_id.as_slice())
    .bind(owner.to_string())
    .bind(match signature_scheme {
        SignatureScheme::Eip191 => "eip191",
        SignatureScheme::Raw => "raw",
    })
    .bind(account.created_at.cast_signed())
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() > 0)
}

pub(super) async fn of_credential(pool: &SqlitePool, credential_id: &[u8]) -> Result<Option<AccountId>, StoreError> {
    let account_id: Option<String> = sqlx::query_scalar("SELECT account_id FROM accounts WHERE credential_id = ?1")
        .bind(credential_id)
        .fetch_optional(pool)
        .await?;
    Ok(account_id.and_then(|account_id| account_id.parse().ok()))
}

pub(super) async fn is_there(pool: &SqlitePool, account_id: &AccountId) -> Result<bool, StoreError> {
    let found: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM accounts WHERE account_id = ?1)")
        .bind(account_id.as_str())
        .fetch_one(pool)
        .await?;
    Ok(found)
}

pub(super) async fn count(pool: &SqlitePool) -> Result<u64, StoreError> {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM accounts").fetch_one(pool).await?;
    Ok(count.cast_unsigned())
}
