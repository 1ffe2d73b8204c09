//! All API keys, in memory: looked up without the store, changed in both.

use std::collections::HashMap;
use std::future;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use api_keys::InvalidKeyHash;
use proto::json::{Excerpt, is_obeyed};
use secrecy::{ExposeSecret, SecretString};
use serve::Hangup;
use thiserror::Error;
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::KeyHash;
use super::access::{Access, Anonymous, Denied, LiveKey};
use super::key::{ApiKey, ApiKeyId, KeyKind, NewApiKey, StoredKey, text_of};
use super::rate::Rate;
use super::usage::Usage;
use super::{ApiKeyStore, Origins, PolicyNames, Scope};
use crate::ports::{Clock, Entropy, EntropyUnavailable};
use crate::settings::{Settings, SettingsError};
use crate::store_error::StoreError;

const HASHES: &str = "rpc.api_key_hashes";
const MAX_LABEL: usize = 64;
/// Seconds: a longer validity is meant to be unlimited.
const MAX_VALID_FOR: u64 = 36_500 * 24 * 60 * 60;
/// Time for the answers in progress when a key ends.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// Interval of checks for expiry: it depends on the clock, not on a timer.
const LOOK: Duration = Duration::from_secs(1);

/// The API keys of the store and of the settings.
pub struct ApiKeys {
    store: Arc<dyn ApiKeyStore>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    is_required: bool,
    anonymous: Arc<Anonymous>,
    policies: Arc<dyn PolicyNames>,
    live: RwLock<HashMap<KeyHash, Arc<LiveKey>>>,
}

/// Why a key is not created or revoked.
#[derive(Debug, Error)]
pub enum ApiKeyError {
    /// A value is invalid.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// The problem, for people.
        problem: String,
    },
    /// A key was given instead of its id. It is not repeated in any message.
    #[error("that is a key, not an id: see `api-key list`")]
    NoId,
    /// No key has that id.
    #[error("there is no API key {id}")]
    Unknown {
        /// The requested id, truncated.
        id: String,
    },
    /// The key is in the settings.
    #[error("API key {id} is listed in relay.rpc.api_key_hashes: remove it there and restart")]
    OfSettings {
        /// Its id.
        id: ApiKeyId,
    },
    /// This process refuses it from now on, but it would be accepted again after a restart.
    #[error("API key {id} is refused from now on, but that could not be recorded: revoke it again ({problem})")]
    NotRecorded {
        /// Its id.
        id: ApiKeyId,
        /// For the operator.
        problem: StoreError,
    },
    /// The store cannot answer now.
    #[error("the store cannot answer now: {0}")]
    Store(#[from] StoreError),
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyUnavailable),
}

impl ApiKeys {
    /// Reads the keys of the store and of the settings.
    ///
    /// # Errors
    /// [`ApiKeyError::Store`], and [`ApiKeyError::Invalid`] for an invalid hash in the settings.
    pub async fn open(
        settings: &Settings,
        policies: Arc<dyn PolicyNames>,
        store: Arc<dyn ApiKeyStore>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, ApiKeyError> {
        let of_settings = check_hashes(&settings.rpc.api_key_hashes)
            .map_err(|problem| ApiKeyError::Invalid { field: HASHES, problem: problem.to_string() })?;
        let is_required = settings.rpc.require_api_key || !of_settings.is_empty();
        let configured = policies.names();
        let mut live = HashMap::new();
        for StoredKey { key, hash, created_at, revoked_at, usage } in store.all().await? {
            for missing in key.policies.iter().filter(|policy| revoked_at.is_none() && !configured.contains(policy)) {
                tracing::warn!(key = %key.id, policy = missing, "an API key names a policy that is not configured");
            }
            live.insert(hash, Arc::new(LiveKey::new(key, Some(created_at), revoked_at, usage)));
        }
        for hash in of_settings {
            live.insert(hash, Arc::new(LiveKey::new(key_of_settings(&hash), None, None, Usage::default())));
        }
        let anonymous = Arc::new(Anonymous::new(settings.rpc.anonymous_calls_per_minute));
        Ok(Self { store, clock, entropy, is_required, anonymous, policies, live: RwLock::new(live) })
    }

    /// The key with that hash, in any state.
    pub(crate) fn find(&self, hash: &KeyHash) -> Option<Arc<LiveKey>> {
        self.live().get(hash).cloned()
    }

    /// The access for a caller with these keys, before any call. Hashes are compared, so the timing
    /// reveals nothing about a key. `origin` is the header's value.
    pub(crate) fn admit(&self, presented: &[KeyHash], origin: Option<&str>) -> Result<Access, Denied> {
        let Some((hash, others)) = presented.split_first() else {
            return if self.is_required {
                Err(Denied::KeyMissing)
            } else {
                Ok(Access::Anonymous(Arc::clone(&self.anonymous)))
            };
        };
        if others.iter().any(|other| other != hash) {
            return Err(Denied::KeysDiffer);
        }
        let live = self.find(hash).ok_or(Denied::KeyUnknown)?;
        live.check(self.clock.now())?;
        if live.key().kind == KeyKind::Publishable && !live.key().origins.allows(origin) {
            return Err(Denied::OriginNotAllowed { origin: origin.map(|origin| Excerpt(origin).to_string()) });
        }
        Ok(Access::Key(live))
    }

    /// Ends a WebSocket opened with this key once the key is revoked or expires. Its calls are
    /// refused immediately; it stays open for the answers in progress.
    pub(crate) async fn end_with(self: Arc<Self>, live: Arc<LiveKey>, session: Hangup) {
        tokio::select! {
            () = session.ended() => {}
            () = self.until_over(&live) => {
                sleep(LAST_ANSWERS).await;
                session.hang_up();
            }
        }
    }

    async fn until_over(&self, live: &LiveKey) {
        let expired = async {
            if live.key().expires_at.is_none() {
                future::pending::<()>().await;
            }
            while live.check(self.clock.now()).is_ok() {
                sleep(LOOK).await;
            }
        };
        tokio::select! {
            () = live.revoked() => {}
            () = expired => {}
        }
    }

    /// Creates a key. Its text is only returned here.
    ///
    /// # Errors
    /// [`ApiKeyError`].
    pub async fn generate(&self, new: NewApiKey) -> Result<(ApiKey, SecretString), ApiKeyError> {
        let now = self.clock.now();
        let mut random = Zeroizing::new([0; 32]);
        self.entropy.fill(random.as_mut_slice())?;
        let text = text_of(&random);
        let hash = KeyHash::of(text.expose_secret().as_bytes());
        let key = self.checked(new, ApiKeyId::of_hash(&hash), now)?;
        let usage = Usage::default();
        let stored = StoredKey { key: key.clone(), hash, created_at: now, revoked_at: None, usage };
        self.store.insert(&stored).await?;
        let live = Arc::new(LiveKey::new(key.clone(), Some(now), None, usage));
        self.live.write().unwrap_or_else(PoisonError::into_inner).insert(hash, live);
        tracing::info!(key = %key.id, label = key.label, "an API key was created");
        Ok((key, text))
    }

    /// Every key in the store with its state, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<StoredKey> {
        let live = self.live();
        let mut keys: Vec<_> = live.iter().filter_map(|(hash, live)| live.stored(*hash)).collect();
        keys.sort_by(|one, other| (one.created_at, &one.key.id).cmp(&(other.created_at, &other.key.id)));
        keys
    }

    /// Refuses a key from now on, also on open WebSockets.
    ///
    /// # Errors
    /// [`ApiKeyError`].
    pub async fn revoke(&self, id: &str) -> Result<ApiKeyId, ApiKeyError> {
        if !ApiKeyId::may_be(id) {
            return Err(ApiKeyError::NoId);
        }
        let found = {
            let live = self.live();
            live.iter().find(|(_, live)| live.key().id.as_str() == id).map(|(hash, live)| (*hash, Arc::clone(live)))
        };
        let (hash, live) = found.ok_or_else(|| ApiKeyError::Unknown { id: Excerpt(id).to_string() })?;
        let id = live.key().id.clone();
        if live.stored(hash).is_none() {
            return Err(ApiKeyError::OfSettings { id });
        }
        // Immediately, even if the store fails.
        let now = self.clock.now();
        live.revoke(now);
        match self.store.revoke(&id, now).await {
            Ok(_) => {
                tracing::info!(key = %id, "an API key was revoked");
                Ok(id)
            }
            Err(problem) => Err(ApiKeyError::NotRecorded { id, problem }),
        }
    }

    /// Saves the usage since the last time. A crash before that loses these counts.
    ///
    /// # Errors
    /// [`StoreError`]; the next time writes them.
    pub async fn save_usage(&self) -> Result<(), StoreError> {
        let used: Vec<_> = {
            let live = self.live();
            live.values().filter_map(|live| live.unsaved().map(|usage| (Arc::clone(live), usage))).collect()
        };
        if used.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = used.iter().map(|(live, usage)| (live.key().id.clone(), *usage)).collect();
        self.store.record_usage(&rows).await?;
        for (live, usage) in used {
            live.saved(usage);
        }
        Ok(())
    }

    /// A panic elsewhere leaves the map consistent.
    fn live(&self) -> RwLockReadGuard<'_, HashMap<KeyHash, Arc<LiveKey>>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn checked(&self, new: NewApiKey, id: ApiKeyId, now: u64) -> Result<ApiKey, ApiKeyError> {
        let invalid = |field, problem: String| Err(ApiKeyError::Invalid { field, problem });
        let NewApiKey { label, kind, mut scopes, policies, mut origins, rate, quota, valid_for_seconds } = new;
        let is_label = !label.is_empty() && label.chars().count() <= MAX_LABEL && !label.contains(is_obeyed);
        if !is_label {
            return invalid("label", format!("expected 1 to {MAX_LABEL} printable characters"));
        }
        let known = self.policies.names();
        if let Some(unknown) = policies.iter().find(|policy| !known.contains(policy)) {
            let known = known.join(", ");
            return invalid(
                "policies",
                format!("unknown policy {:?}; known policies: {known}", Excerpt(unknown).to_string()),
            );
        }
        if kind == KeyKind::Publishable && policies.is_empty() {
            return invalid("policies", "a publishable key is public: name the policies that bound it".to_owned());
        }
        if kind == KeyKind::Server && !origins.0.is_empty() {
            return invalid(
                "origins",
                "only publishable keys have origins; for others set relay.rpc.allowed_origins".to_owned(),
            );
        }
        if rate.is_some_and(|rate| rate.per_minute == 0 || rate.burst == 0) {
            return invalid("rate", "must be above 0".to_owned());
        }
        if quota == Some(0) {
            return invalid("quota", "must be above 0".to_owned());
        }
        if quota.is_some_and(|quota| i64::try_from(quota).is_err()) {
            return invalid("quota", format!("must be at most {}", i64::MAX));
        }
        if valid_for_seconds == Some(0) {
            return invalid("validForSeconds", "must be above 0".to_owned());
        }
        if scopes.is_empty() {
            scopes = match kind {
                KeyKind::Server => Scope::ALL.to_vec(),
                KeyKind::Publishable => vec![Scope::Sponsor],
            };
        }
        if kind == KeyKind::Publishable && scopes.contains(&Scope::Invite) {
            return invalid("scopes", "only a server's key can have the scope invite".to_owned());
        }
        scopes.sort_unstable();
        scopes.dedup();
        if kind == KeyKind::Publishable && origins.0.is_empty() {
            origins = Origins::any();
        }
        let rate = rate.or_else(|| (kind == KeyKind::Publishable).then_some(Rate::PUBLISHABLE));
        if valid_for_seconds.is_some_and(|seconds| seconds > MAX_VALID_FOR) {
            return invalid("validForSeconds", format!("expected {MAX_VALID_FOR} (100 years) at most, or none"));
        }
        let expires_at = valid_for_seconds.map(|seconds| now.saturating_add(seconds));
        Ok(ApiKey { id, label, kind, scopes, policies, origins, rate, quota, expires_at })
    }
}

/// The hashes in the settings.
pub(crate) fn check_hashes(texts: &[String]) -> Result<Vec<KeyHash>, SettingsError> {
    let parse = |text: &String| {
        text.parse()
            .map_err(|problem: InvalidKeyHash| SettingsError::Invalid { key: HASHES, problem: problem.to_string() })
    };
    texts.iter().map(parse).collect()
}

/// A key in the settings is a server's, without limits of its own.
fn key_of_settings(hash: &KeyHash) -> ApiKey {
    ApiKey {
        id: ApiKeyId::of_hash(hash),
        label: HASHES.to_owned(),
        kind: KeyKind::Server,
        scopes: Scope::ALL.to_vec(),
        policies: Vec::new(),
        origins: Origins::default(),
        rate: None,
        quota: None,
        expires_at: None,
    }
}
