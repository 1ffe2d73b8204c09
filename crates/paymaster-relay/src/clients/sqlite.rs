//! API keys in the embedded database.

use async_trait::async_trait;
use futures_util::{FutureExt, TryFutureExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Sqlite;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};

use super::ApiKeyStore;
use super::KeyHash;
use super::key::{ApiKey, ApiKeyId, StoredKey};
use super::rate::Rate;
use super::usage::{DayCalls, Usage};
use crate::sqlite::{Changes, Database, column, signed, unsigned};
use crate::store_error::StoreError;

/// Keys in the `api_keys` table.
#[derive(Clone)]
pub struct SqliteApiKeys(Database);

impl SqliteApiKeys {
    /// Uses a database that has the table.
    #[must_use]
    pub fn new(database: &Database) -> Self {
        Self(database.clone())
    }

    /// Runs the statements in one transaction; returns the number of changed rows.
    async fn change(&self, statements: Vec<Query<'static, Sqlite, SqliteArguments>>) -> Result<u64, StoreError> {
        self.0
            .writer()
            .write(move |connection| {
                async move {
                    let mut changed = 0;
                    for statement in statements {
                        let done = statement.execute(&mut *connection).await.map_err(StoreError::new)?;
                        changed += done.rows_affected();
                    }
                    Ok(Changes::Kept(changed))
                }
                .boxed()
            })
            .await
    }
}

#[async_trait]
impl ApiKeyStore for SqliteApiKeys {
    async fn all(&self) -> Result<Vec<StoredKey>, StoreError> {
        let query = sqlx::query("SELECT * FROM api_keys ORDER BY created_at, id");
        let rows = self.0.read(|readers| query.fetch_all(readers).map_err(StoreError::new)).await?;
        rows.iter().map(stored).collect()
    }

    async fn insert(&self, StoredKey { key, hash, created_at, .. }: &StoredKey) -> Result<(), StoreError> {
        let row = sqlx::query(
            "INSERT INTO api_keys (id, hash, label, kind, scopes, policies, origins, daily_calls, created_at, expires_at,
                 calls_per_minute, burst)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )
        .bind(key.id.to_string())
        .bind(hash.0.to_vec())
        .bind(key.label.clone())
        .bind(word(&key.kind)?)
        .bind(text(&key.scopes)?)
        .bind(text(&key.policies)?)
        .bind(text(&key.origins)?)
        .bind(key.quota.map(signed).transpose()?)
        .bind(signed(*created_at)?)
        .bind(key.expires_at.map(signed).transpose()?)
        .bind(key.rate.map(|rate| rate.per_minute))
        .bind(key.rate.map(|rate| rate.burst));
        self.change(vec![row]).await.map(|_| ())
    }

    async fn revoke(&self, id: &ApiKeyId, at: u64) -> Result<bool, StoreError> {
        let row = sqlx::query("UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1")
            .bind(id.to_string())
            .bind(signed(at)?);
        self.change(vec![row]).await.map(|changed| changed == 1)
    }

    async fn record_usage(&self, usage: &[(ApiKeyId, Usage)]) -> Result<(), StoreError> {
        let row = |(id, Usage { day, calls, last_used_at, left }): &(ApiKeyId, Usage)| {
            let statement = "UPDATE api_keys SET used_day = ?2, used_calls = ?3, last_used_at = ?4, left_day = ?5,
                 left_calls = ?6 WHERE id = ?1";
            Ok(sqlx::query(statement)
                .bind(id.to_string())
                .bind(signed(*day)?)
                .bind(signed(*calls)?)
                .bind(last_used_at.map(signed).transpose()?)
                .bind(signed(left.day)?)
                .bind(signed(left.calls)?))
        };
        let rows = usage.iter().map(row).collect::<Result<_, StoreError>>()?;
        self.change(rows).await.map(|_| ())
    }
}

fn stored(row: &SqliteRow) -> Result<StoredKey, StoreError> {
    let hash: Vec<u8> = column(row, "hash")?;
    let kind: String = column(row, "kind")?;
    Ok(StoredKey {
        key: ApiKey {
            id: ApiKeyId::from(column::<String>(row, "id")?),
            label: column(row, "label")?,
            kind: serde_json::from_value(kind.into()).map_err(StoreError::new)?,
            scopes: list(row, "scopes")?,
            policies: list(row, "policies")?,
            origins: list(row, "origins")?,
            rate: rate(column(row, "calls_per_minute")?, column(row, "burst")?)?,
            quota: optional(row, "daily_calls")?,
            expires_at: optional(row, "expires_at")?,
        },
        hash: KeyHash(hash.try_into().map_err(|_| StoreError::new("a hash of another length"))?),
        created_at: unsigned(column(row, "created_at")?)?,
        revoked_at: optional(row, "revoked_at")?,
        usage: Usage {
            day: unsigned(column(row, "used_day")?)?,
            calls: unsigned(column(row, "used_calls")?)?,
            last_used_at: optional(row, "last_used_at")?,
            left: DayCalls { day: unsigned(column(row, "left_day")?)?, calls: unsigned(column(row, "left_calls")?)? },
        },
    })
}

/// Either both are set or neither.
fn rate(per_minute: Option<u32>, burst: Option<u32>) -> Result<Option<Rate>, StoreError> {
    match (per_minute, burst) {
        (Some(per_minute), Some(burst)) => Ok(Some(Rate { per_minute, burst })),
        (None, None) => Ok(None),
        _ => Err(StoreError::new("half a rate")),
    }
}

fn optional(row: &SqliteRow, name: &str) -> Result<Option<u64>, StoreError> {
    column::<Option<i64>>(row, name)?.map(unsigned).transpose()
}

fn list<T: DeserializeOwned>(row: &SqliteRow, name: &str) -> Result<T, StoreError> {
    serde_json::from_str(column(row, name)?).map_err(StoreError::new)
}

fn text(list: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(list).map_err(StoreError::new)
}

/// A value that serialises as JSON text, without the quotes.
fn word(value: &impl Serialize) -> Result<String, StoreError> {
    let value = serde_json::to_value(value).map_err(StoreError::new)?;
    value.as_str().map(str::to_owned).ok_or_else(|| StoreError::new("a value that is not written as text"))
}
