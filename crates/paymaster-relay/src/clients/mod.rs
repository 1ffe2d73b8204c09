//! Callers: anonymous, or the holder of an API key.

mod access;
mod address_use;
mod day_shares;
mod key;
mod keys;
mod origin;
mod rate;
mod shares;
mod sqlite;
mod usage;

use std::sync::Arc;

use async_trait::async_trait;
use serve::Client;

pub use access::Denied;
pub(crate) use access::{Access, LiveKey};
pub use api_keys::KeyHash;
pub(crate) use key::PREFIX as KEY_PREFIX;
pub use key::{ApiKey, ApiKeyId, KeyKind, NewApiKey, StoredKey};
pub(crate) use keys::check_hashes;
pub use keys::{ApiKeyError, ApiKeys};
pub use origin::{InvalidOrigin, OriginRule, Origins};
pub use rate::{InvalidRate, Rate};
pub use relay_api::{InvalidScope, Scope};
pub use sqlite::SqliteApiKeys;
pub use usage::{DayCalls, Usage};

use crate::store_error::StoreError;

/// The authenticated caller of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// `None`: no API key was sent, and none is required.
    key: Option<Arc<ApiKey>>,
    client: Client,
    origin: Option<Arc<str>>,
}

/// Whose work a request is, if no account is proven: strangers are distinguished by their address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Asker {
    /// A server that holds this secret key.
    Server(ApiKeyId),
    /// Anyone, with a publishable key or without one.
    Stranger(Client),
}

impl Caller {
    /// The id of the caller's key.
    #[must_use]
    pub fn key_id(&self) -> Option<&ApiKeyId> {
        self.key().map(|key| &key.id)
    }

    /// The caller's key.
    #[must_use]
    pub fn key(&self) -> Option<&ApiKey> {
        self.key.as_deref()
    }

    /// The header `Origin` of its request, which only browsers are bound to send truthfully.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// The asker that the request's work is attributed to.
    #[must_use]
    pub fn asker(&self) -> Asker {
        match self.key_id().filter(|_| self.is_server()) {
            Some(id) => Asker::Server(id.clone()),
            None => Asker::Stranger(self.client),
        }
    }

    /// Whether the caller holds a secret key, that of a server.
    #[must_use]
    pub fn is_server(&self) -> bool {
        self.key().is_some_and(|key| key.kind == KeyKind::Server)
    }

    /// The policies that the caller may choose, its default first; `None`: all of the relay's.
    #[must_use]
    pub fn policies(&self) -> Option<&[String]> {
        self.key().map(|key| key.policies.as_slice()).filter(|policies| !policies.is_empty())
    }
}

/// The names of the policies that a key may be restricted to.
pub trait PolicyNames: Send + Sync {
    /// Those that are known now.
    fn names(&self) -> Vec<String>;
}

/// API keys on durable storage.
#[async_trait]
pub trait ApiKeyStore: Send + Sync {
    /// Every key, in the order of creation.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn all(&self) -> Result<Vec<StoredKey>, StoreError>;

    /// Records a new key.
    ///
    /// # Errors
    /// [`StoreError`], also if the id or the hash already exists.
    async fn insert(&self, key: &StoredKey) -> Result<(), StoreError>;

    /// Records when a key was revoked. False if there is no such key.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn revoke(&self, id: &ApiKeyId, at: u64) -> Result<bool, StoreError>;

    /// Records the usage of keys.
    ///
    /// # Errors
    /// [`StoreError`]; then none is recorded.
    async fn record_usage(&self, usage: &[(ApiKeyId, Usage)]) -> Result<(), StoreError>;
}
