//! Cached reports of the TEE: the provisioned state and wallets, so that a request costs one call
//! instead of three. The trusted application decides by its own state, so an old copy can at worst
//! cause a wrong refusal or explanation.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use proto::command::{GetWalletInfo, Provisioned, SecurityState, WalletInfo};
use proto::{AccountId, Address, Status};

use super::GatewayError;
use super::decision::detached;
use super::paymaster_signers::PaymasterSigners;
use crate::protection::RequiredProtection;
use crate::store::ServedTees;
use crate::tee::{Tee, TeeError};
use crate::transport::{Asker, QueueStats, TeeName};

/// Maximum number of cached wallets. If it is reached, all are dropped: that is rare, and simpler
/// than an eviction policy.
const MAX_WALLETS: usize = 65_536;

/// How long the TEE's report is fresh enough to check admin commands against: other gateways may
/// have sent commands since.
const COMMANDED: Duration = Duration::from_secs(2);

/// How long the TEE's report is reused for callers without authority.
const RECENT: Duration = Duration::from_secs(1);

pub(super) struct Known {
    required: RequiredProtection,
    store: Arc<dyn ServedTees>,
    /// Locked while the TEE is queried: others wait for the same answer.
    reported: Arc<tokio::sync::Mutex<Option<Reported>>>,
    state: RwLock<State>,
    wallets: RwLock<Wallets>,
    paymaster_signers: PaymasterSigners,
}

/// The TEE's report about itself, or its failure to report.
struct Reported {
    at: Instant,
    generation: u64,
    lost: u64,
    state: Result<Arc<SecurityState>, TeeError>,
}

#[derive(Default)]
struct State {
    /// Incremented by every admin command, so that an answer from before one is not cached after
    /// it.
    generation: u64,
    /// The number of lost sessions before the query: a new session may be with another trusted
    /// application.
    lost: u64,
    provisioned: Option<Arc<Provisioned>>,
    /// The state that admin commands are checked against.
    commanded: Option<Commanded>,
}

struct Commanded {
    at: Instant,
    /// The number of lost sessions before the query.
    lost: u64,
    state: Arc<SecurityState>,
}

#[derive(Default)]
struct Wallets {
    /// The number of lost sessions before the query.
    lost: u64,
    kept: HashMap<AccountId, Arc<WalletInfo>>,
}

impl Known {
    /// An empty cache; later reports must meet these requirements.
    pub(super) fn new(required: RequiredProtection, store: Arc<dyn ServedTees>) -> Self {
        Self {
            required,
            store,
            reported: Arc::default(),
            state: RwLock::default(),
            wallets: RwLock::default(),
            paymaster_signers: PaymasterSigners::default(),
        }
    }

    /// The TEE's current report about itself. The first provisioned TEE becomes the only one that
    /// is served from then on, by this process and later ones.
    pub(super) async fn security_state(&self, tee: &Tee) -> Result<SecurityState, GatewayError> {
        let state = tee.security_state().await?;
        let is_recorded = matches!(tee.served().name(), Some(TeeName::Id(_)));
        if let Some(provisioned) = state.provisioned.as_ref().filter(|_| !is_recorded) {
            self.store.remember_tee(state.tee_id, provisioned.paymaster_signer).await?;
            tee.served().keep_to(TeeName::Id(state.tee_id));
        }
        self.paymaster_signers.learn(&state);
        Ok(state)
    }

    /// The TEE's report, at most a second old, and never from before an admin command or from a
    /// lost session. All callers within a second cost one call, whether they wait or hang up.
    pub(super) async fn recent_security_state(&self, tee: &Tee) -> Result<Arc<SecurityState>, GatewayError> {
        let mut reported = match Arc::clone(&self.reported).try_lock_owned() {
            Ok(reported) => reported,
            // The query in progress may be the one the TEE is stuck on.
            Err(_) if tee.queue_stats().breaker_open => return Err(GatewayError::TeeBusyBefore),
            Err(_) => Arc::clone(&self.reported).lock_owned().await,
        };
        let QueueStats { lost, breaker_open, .. } = tee.queue_stats();
        let generation = self.state.read().unwrap_or_else(PoisonError::into_inner).generation;
        // While the queue refuses calls, asking costs nothing.
        let is_recent = |kept: &&Reported| {
            !breaker_open && kept.at.elapsed() < RECENT && (kept.generation, kept.lost) == (generation, lost)
        };
        if let Some(kept) = reported.as_ref().filter(is_recent) {
            return kept.state.clone().map_err(GatewayError::from);
        }
        let tee = tee.clone();
        detached(async move {
            let state = tee.security_state().await.map(Arc::new);
            // A call refused by the queue cost nothing, and may be repeated.
            if !matches!(state, Err(TeeError::Busy(_))) {
                *reported = Some(Reported { at: Instant::now(), generation, lost, state: state.clone() });
            }
            state.map_err(GatewayError::from)
        })
        .await
    }

    /// Admin, paymaster signer, relay keys, relying parties and ceilings, of a TEE with the
    /// required protection.
    pub(super) async fn provisioned(&self, tee: &Tee) -> Result<Arc<Provisioned>, GatewayError> {
        let lost = tee.queue_stats().lost;
        let generation = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(provisioned) = state.provisioned.as_ref().filter(|_| state.lost == lost) {
                return Ok(Arc::clone(provisioned));
            }
            state.generation
        };
        let reported = self.security_state(tee).await?;
        self.keep(reported, generation, lost)
    }

    /// Checks the provisioned state. What the kept one fails may pass one that is at most a second
    /// old: another gateway may have sent admin commands since.
    pub(super) async fn check<T>(
        &self,
        tee: &Tee,
        mut check: impl FnMut(&Provisioned) -> Result<T, GatewayError>,
    ) -> Result<T, GatewayError> {
        let kept = self.provisioned(tee).await?;
        if let Ok(passed) = check(&kept) {
            return Ok(passed);
        }
        let lost = tee.queue_stats().lost;
        let generation = self.state.read().unwrap_or_else(PoisonError::into_inner).generation;
        let recent = self.recent_security_state(tee).await?;
        check(&*self.keep(SecurityState::clone(&recent), generation, lost)?)
    }

    /// Keeps what the TEE reported after these numbers were read.
    fn keep(&self, reported: SecurityState, generation: u64, lost: u64) -> Result<Arc<Provisioned>, GatewayError> {
        self.required.check(&reported)?;
        let provisioned = reported.provisioned.map(Arc::new).ok_or(GatewayError::Refused(Status::NotProvisioned))?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.generation == generation {
            state.provisioned = Some(Arc::clone(&provisioned));
            state.lost = lost;
        }
        Ok(provisioned)
    }

    /// Admin, relay keys and counter, at most a few seconds old and newer than the last command
    /// that went through this gateway, whatever the TEE's protection. All callers share one query.
    pub(super) async fn commanded(&self, tee: &Tee) -> Result<Arc<SecurityState>, GatewayError> {
        let lost = tee.queue_stats().lost;
        let generation = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            let is_good = |kept: &&Commanded| kept.lost == lost && kept.at.elapsed() < COMMANDED;
            if let Some(Commanded { state, .. }) = state.commanded.as_ref().filter(is_good) {
                return Ok(Arc::clone(state));
            }
            state.generation
        };
        let reported = self.recent_security_state(tee).await?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.generation == generation && reported.provisioned.is_some() {
            state.commanded = Some(Commanded { at: Instant::now(), lost, state: Arc::clone(&reported) });
        }
        Ok(reported)
    }

    /// Whether the TEE signs for the paymasters with that key, or did recently. An unknown key
    /// causes a query: another process may have had the key rotated.
    pub(super) async fn is_paymaster_signer(&self, tee: &Tee, address: Address) -> Result<bool, GatewayError> {
        if !self.paymaster_signers.contains(address) {
            self.forget_provisioned();
            self.provisioned(tee).await?;
        }
        Ok(self.paymaster_signers.contains(address))
    }

    /// Called after an admin command, whatever its outcome.
    pub(super) fn forget_provisioned(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.generation = state.generation.wrapping_add(1);
        state.provisioned = None;
        state.commanded = None;
    }

    /// A wallet that was queried before, over the same session.
    pub(super) fn kept_wallet(&self, tee: &Tee, account_id: &AccountId) -> Option<Arc<WalletInfo>> {
        let lost = tee.queue_stats().lost;
        let wallets = self.wallets.read().unwrap_or_else(PoisonError::into_inner);
        if wallets.lost == lost { wallets.kept.get(account_id).cloned() } else { None }
    }

    /// A wallet. If it is not cached, the TEE is queried on behalf of `asker`.
    pub(super) async fn wallet(
        &self,
        tee: &Tee,
        account_id: &AccountId,
        asker: Asker,
    ) -> Result<Arc<WalletInfo>, GatewayError> {
        if let Some(wallet) = self.kept_wallet(tee, account_id) {
            return Ok(wallet);
        }
        let lost = tee.queue_stats().lost;
        let request = GetWalletInfo { account_id: account_id.clone() };
        let wallet = Arc::new(tee.call_for(asker, &request).await?);
        if wallet.account_id != *account_id {
            return Err(GatewayError::TeeReplyInvalid);
        }
        let mut wallets = self.wallets.write().unwrap_or_else(PoisonError::into_inner);
        if wallets.lost != lost || wallets.kept.len() >= MAX_WALLETS {
            *wallets = Wallets { lost, kept: HashMap::new() };
        }
        wallets.kept.insert(account_id.clone(), Arc::clone(&wallet));
        Ok(wallet)
    }
}
