//! The permissions of a caller. A key's state is checked for every call, so that a revocation also
//! ends open WebSockets.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use relay_api::Method;
use serve::Client;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use super::day_shares::DayShares;
use super::key::{ApiKey, KeyKind, StoredKey};
use super::rate::{Bucket, Rate};
use super::shares::{Exceeded, Shares};
use super::usage::{DayCalls, Usage};
use super::{Caller, KeyHash, Scope};

/// Why a caller is not served.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Denied {
    /// A key is required, but none was sent.
    #[error(
        "an API key is required: send it as `Authorization: Bearer <key>`, as `x-api-key`, or as the last segment of \
         the path /rpc/<key>"
    )]
    KeyMissing,
    /// There is no such key.
    #[error("the API key is unknown")]
    KeyUnknown,
    /// Header and path carry different keys.
    #[error("the request carries different API keys: send one")]
    KeysDiffer,
    /// The key was revoked.
    #[error("the API key was revoked")]
    KeyRevoked,
    /// The key has expired.
    #[error("the API key expired")]
    KeyExpired {
        /// Unix seconds.
        expired_at: u64,
    },
    /// A publishable key was used from an origin that is not allowed.
    #[error("this API key can't be used from {}", origin.as_deref().unwrap_or("a request without an Origin header"))]
    OriginNotAllowed {
        /// The header, truncated.
        origin: Option<String>,
    },
    /// The method is outside the key's scopes.
    #[error("the API key has no scope `{required}`, which this method needs")]
    ScopeMissing {
        /// The scope that the method needs.
        required: Scope,
        /// The key's scopes.
        scopes: Vec<Scope>,
    },
    /// The caller exceeded its rate.
    #[error(
        "over {}the rate of {limit} calls a minute{}: try again in {retry_after} s",
        if *is_own_share { "the share of one client address in " } else { "" },
        if *is_anonymous { ", which all calls without an API key share" } else { "" }
    )]
    RateLimited {
        /// Calls in a minute.
        limit: u32,
        /// Seconds until a call is accepted, if no other comes first.
        retry_after: u64,
        /// Whether it is the shared rate of callers without a key.
        is_anonymous: bool,
        /// Whether only the caller's address exceeded its share of the rate.
        is_own_share: bool,
    },
    /// The day's quota is used up.
    #[error(
        "{}the API key's quota of {limit} calls a day is used up",
        if *is_own_share { "the share of one client address in " } else { "" }
    )]
    QuotaExhausted {
        /// Calls a day.
        limit: u64,
        /// Unix seconds at which the next day begins.
        reset_at: u64,
        /// Whether only the caller's address exceeded its share of the quota.
        is_own_share: bool,
    },
}

/// A key and its state.
#[derive(Debug)]
pub(crate) struct LiveKey {
    key: Arc<ApiKey>,
    created_at: Option<u64>,
    state: Mutex<State>,
    revoked: CancellationToken,
}

#[derive(Debug)]
struct State {
    revoked_at: Option<u64>,
    usage: Usage,
    allowance: Option<Allowance>,
    day_shares: DayShares,
    /// Whether this usage is in the store.
    is_saved: bool,
}

impl LiveKey {
    pub(super) fn new(key: ApiKey, created_at: Option<u64>, revoked_at: Option<u64>, usage: Usage) -> Self {
        let allowance = key.rate.map(|rate| Allowance::full(key.kind, rate));
        let state =
            Mutex::new(State { revoked_at, usage, allowance, day_shares: DayShares::default(), is_saved: true });
        Self { key: Arc::new(key), created_at, state, revoked: CancellationToken::new() }
    }

    pub(crate) fn key(&self) -> &ApiKey {
        &self.key
    }

    pub(super) fn revoke(&self, at: u64) {
        self.state().revoked_at.get_or_insert(at);
        self.revoked.cancel();
    }

    /// Returns when the key is revoked by this process.
    pub(super) async fn revoked(&self) {
        self.revoked.cancelled().await;
    }

    /// Whether it may still be used.
    pub(super) fn check(&self, now: u64) -> Result<(), Denied> {
        self.usable(now).map(drop)
    }

    /// The usage that is not in the store yet.
    pub(super) fn unsaved(&self) -> Option<Usage> {
        let state = self.state();
        (!state.is_saved && self.created_at.is_some()).then_some(state.usage)
    }

    /// Records that this usage is in the store.
    pub(super) fn saved(&self, usage: Usage) {
        let mut state = self.state();
        state.is_saved = state.usage == usage;
    }

    /// The key in the store's form; `None` for a key of the settings.
    pub(super) fn stored(&self, hash: KeyHash) -> Option<StoredKey> {
        let state = self.state();
        let (key, created_at) = (self.key.as_ref().clone(), self.created_at?);
        Some(StoredKey { key, hash, created_at, revoked_at: state.revoked_at, usage: state.usage })
    }

    fn usable(&self, now: u64) -> Result<MutexGuard<'_, State>, Denied> {
        let state = self.state();
        if state.revoked_at.is_some() {
            return Err(Denied::KeyRevoked);
        }
        match self.key.expires_at.filter(|expires_at| *expires_at <= now) {
            Some(expired_at) => Err(Denied::KeyExpired { expired_at }),
            None => Ok(state),
        }
    }

    fn call(&self, method: Method, client: Client, now: u64) -> Result<(), Denied> {
        let mut state = self.usable(now)?;
        if let Some(required) = method.scope()
            && !self.key.scopes.contains(&required)
        {
            return Err(Denied::ScopeMissing { required, scopes: self.key.scopes.clone() });
        }
        if !method.is_counted() {
            return Ok(());
        }
        // Calls over the rate do not count against the day's quota.
        if let Some(allowance) = &mut state.allowance {
            allowance.take(client, now)?;
        }
        self.count(&mut state, client, now)?;
        state.is_saved = false;
        Ok(())
    }

    /// A quota that anyone can use is shared between client addresses.
    fn count(&self, state: &mut State, client: Client, now: u64) -> Result<(), Denied> {
        let limit = self.key.quota.unwrap_or(u64::MAX);
        let exhausted = |is_own_share| move |reset_at| Denied::QuotaExhausted { limit, reset_at, is_own_share };
        let DayCalls { day, calls } = state.usage.today(now);
        let is_shared = self.key.kind == KeyKind::Publishable && self.key.quota.is_some();
        let left = limit.saturating_sub(calls);
        if is_shared && left > 0 && !state.day_shares.allows(client, day, left) {
            return Err(exhausted(true)(Usage::end_of(day)));
        }
        state.usage.count(self.key.quota, now).map_err(exhausted(false))?;
        if is_shared {
            state.day_shares.count(client, day);
        }
        Ok(())
    }

    /// A panic elsewhere leaves the values consistent.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The remaining rate of a key.
#[derive(Debug)]
enum Allowance {
    /// The key of a single server.
    Own(Bucket),
    /// A key that anyone can read.
    Shared(Shares),
}

impl Allowance {
    fn full(kind: KeyKind, rate: Rate) -> Self {
        match kind {
            KeyKind::Server => Self::Own(Bucket::full(rate)),
            KeyKind::Publishable => Self::Shared(Shares::full(rate)),
        }
    }

    fn take(&mut self, client: Client, now: u64) -> Result<(), Denied> {
        match self {
            Self::Own(bucket) => {
                let limit = bucket.rate().per_minute;
                bucket.take(now).map_err(|retry_after| Denied::RateLimited {
                    limit,
                    retry_after,
                    is_anonymous: false,
                    is_own_share: false,
                })
            }
            Self::Shared(shares) => take(shares, client, now, false),
        }
    }
}

/// All callers without a key: one rate, shared between client addresses.
#[derive(Debug)]
pub(crate) struct Anonymous(Mutex<Option<Shares>>);

impl Anonymous {
    /// 0: unlimited.
    pub(super) fn new(calls_per_minute: u32) -> Self {
        Self(Mutex::new((calls_per_minute > 0).then(|| Shares::full(Rate::per_minute(calls_per_minute)))))
    }

    fn call(&self, method: Method, client: Client, now: u64) -> Result<(), Denied> {
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match shares.as_mut() {
            Some(shares) if method.is_counted() => take(shares, client, now, true),
            Some(_) | None => Ok(()),
        }
    }
}

fn take(shares: &mut Shares, client: Client, now: u64, is_anonymous: bool) -> Result<(), Denied> {
    let limit = shares.rate().per_minute;
    shares.take(client, now).map_err(|Exceeded { retry_after, is_own_share }| Denied::RateLimited {
        limit,
        retry_after,
        is_anonymous,
        is_own_share,
    })
}

/// An authenticated caller: its calls are checked against this.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    /// No key, if none is required.
    Anonymous(Arc<Anonymous>),
    /// With a key.
    Key(Arc<LiveKey>),
}

impl Access {
    /// Admits and counts one call by that client.
    pub(crate) fn call(
        &self,
        method: Method,
        client: Client,
        origin: Option<Arc<str>>,
        now: u64,
    ) -> Result<Caller, Denied> {
        match self {
            Self::Anonymous(anonymous) => {
                anonymous.call(method, client, now).map(|()| Caller { key: None, client, origin })
            }
            Self::Key(live) => {
                live.call(method, client, now).map(|()| Caller { key: Some(Arc::clone(&live.key)), client, origin })
            }
        }
    }
}
