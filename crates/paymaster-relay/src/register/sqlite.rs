//! Policies in the embedded database.

use async_trait::async_trait;
use futures_util::{FutureExt, TryFutureExt};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::{Appended, Newest, PolicyState, PolicyStore, PolicyVersion, Seed};
use crate::sqlite::{Changes, Database, column, signed, unsigned};
use crate::store_error::StoreError;

const LAST_CHANGE: &str = "SELECT coalesce(max(number), 0) FROM policy_versions";

/// Versions in the table `policy_versions`.
#[derive(Clone)]
pub struct SqlitePolicies(Database);

impl SqlitePolicies {
    /// Uses a database that has the table.
    #[must_use]
    pub fn new(database: &Database) -> Self {
        Self(database.clone())
    }
}

#[async_trait]
impl PolicyStore for SqlitePolicies {
    async fn newest(&self) -> Result<Newest, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM policy_versions
             WHERE (id, version) IN (SELECT id, max(version) FROM policy_versions GROUP BY id)
             ORDER BY position, id",
        );
        let rows = self.0.read(|readers| query.fetch_all(readers).map_err(StoreError::new)).await?;
        // The newest change made the newest version of some policy.
        let numbers = rows.iter().map(|row| unsigned(column(row, "number")?)).collect::<Result<Vec<_>, _>>()?;
        let versions = rows.iter().map(version).collect::<Result<_, _>>()?;
        Ok(Newest { versions, change: numbers.into_iter().max().unwrap_or_default() })
    }

    async fn history(&self, id: &str) -> Result<Vec<PolicyVersion>, StoreError> {
        let query = sqlx::query("SELECT * FROM policy_versions WHERE id = ?1 ORDER BY version").bind(id.to_owned());
        let rows = self.0.read(|readers| query.fetch_all(readers).map_err(StoreError::new)).await?;
        rows.iter().map(version).collect()
    }

    async fn last_change(&self) -> Result<u64, StoreError> {
        let query = sqlx::query_scalar(LAST_CHANGE);
        unsigned(self.0.read(|readers| query.fetch_one(readers).map_err(StoreError::new)).await?)
    }

    async fn seeds(&self) -> Result<Vec<Seed>, StoreError> {
        let query = sqlx::query("SELECT * FROM policy_seeds ORDER BY position, id");
        let rows = self.0.read(|readers| query.fetch_all(readers).map_err(StoreError::new)).await?;
        rows.iter()
            .map(|row| {
                let policy = serde_json::from_str(column(row, "document")?).map_err(StoreError::new)?;
                Ok(Seed { id: column(row, "id")?, position: column(row, "position")?, policy })
            })
            .collect()
    }

    async fn append(
        &self,
        after: u64,
        versions: &[PolicyVersion],
        seeds: Option<&[Seed]>,
    ) -> Result<Appended, StoreError> {
        let (after, versions, seeds) = (signed(after)?, versions.to_vec(), seeds.map(<[Seed]>::to_vec));
        self.0.writer().write(move |connection| append(connection, after, versions, seeds).boxed()).await
    }
}

async fn append(
    connection: &mut SqliteConnection,
    after: i64,
    versions: Vec<PolicyVersion>,
    seeds: Option<Vec<Seed>>,
) -> Result<Changes<Appended>, StoreError> {
    let last: i64 = sqlx::query_scalar(LAST_CHANGE).fetch_one(&mut *connection).await.map_err(StoreError::new)?;
    if last != after {
        return Ok(Changes::Undone(Appended::Overtaken));
    }
    for version in versions {
        insert(connection, version).await?;
    }
    if let Some(seeds) = seeds {
        sqlx::query("DELETE FROM policy_seeds").execute(&mut *connection).await.map_err(StoreError::new)?;
        for Seed { id, position, policy } in seeds {
            let row = sqlx::query("INSERT INTO policy_seeds (id, position, document) VALUES (?1, ?2, ?3)");
            let row = row.bind(id).bind(position).bind(policy.to_string());
            row.execute(&mut *connection).await.map_err(StoreError::new)?;
        }
    }
    let last: i64 = sqlx::query_scalar(LAST_CHANGE).fetch_one(&mut *connection).await.map_err(StoreError::new)?;
    Ok(Changes::Kept(Appended::Recorded(unsigned(last)?)))
}

async fn insert(connection: &mut SqliteConnection, version: PolicyVersion) -> Result<(), StoreError> {
    let PolicyVersion { id, version, state, position, policy, author, note, created_at } = version;
    let row = sqlx::query(
        "INSERT INTO policy_versions (id, version, state, position, document, author, note, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    );
    let row = row.bind(id).bind(signed(version)?).bind(state.as_str()).bind(position).bind(policy.to_string());
    let row = row.bind(author).bind(note).bind(signed(created_at)?);
    row.execute(connection).await.map(drop).map_err(StoreError::new)
}

fn version(row: &SqliteRow) -> Result<PolicyVersion, StoreError> {
    let state: PolicyState = serde_json::from_value(column::<String>(row, "state")?.into()).map_err(StoreError::new)?;
    Ok(PolicyVersion {
        id: column(row, "id")?,
        version: unsigned(column(row, "version")?)?,
        state,
        position: column(row, "position")?,
        policy: serde_json::from_str(column(row, "document")?).map_err(StoreError::new)?,
        author: column(row, "author")?,
        note: column(row, "note")?,
        created_at: unsigned(column(row, "created_at")?)?,
    })
}
