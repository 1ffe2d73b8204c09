//! The register of policies: every version of each, and the one that applies. Policies of the
//! configuration file are its seeds; operators change it while the relay runs.

mod error;
mod seeds;
mod service;
mod sqlite;
mod version;

use async_trait::async_trait;

pub use error::PolicyError;
pub use seeds::Seed;
pub use service::{Change, PolicyRegister};
pub use sqlite::SqlitePolicies;
pub use version::{FILE, PolicyState, PolicyVersion};

use crate::store_error::StoreError;

/// The newest version of every policy.
#[derive(Clone, Debug, Default)]
pub struct Newest {
    /// In their order: the first enabled or disabled one of a chain is its default.
    pub versions: Vec<PolicyVersion>,
    /// The number of the newest change; 0 if there is none.
    pub change: u64,
}

/// What became of new versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// They are recorded; the number of the newest.
    Recorded(u64),
    /// Another change came first. Nothing is recorded.
    Overtaken,
}

/// Policies on durable storage. Versions are never changed or removed.
#[async_trait]
pub trait PolicyStore: Send + Sync {
    /// The newest version of every policy.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn newest(&self) -> Result<Newest, StoreError>;

    /// Every version of a policy, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn history(&self, id: &str) -> Result<Vec<PolicyVersion>, StoreError>;

    /// The number of the newest change. Cheap: it is asked for several times a second.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn last_change(&self) -> Result<u64, StoreError>;

    /// The policies of the configuration file, as they were last applied.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn seeds(&self) -> Result<Vec<Seed>, StoreError>;

    /// Records all versions, and replaces the seeds if some are given, unless there is a change
    /// after `after`. Checks and writes in one transaction.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing is recorded.
    async fn append(
        &self,
        after: u64,
        versions: &[PolicyVersion],
        seeds: Option<&[Seed]>,
    ) -> Result<Appended, StoreError>;
}
