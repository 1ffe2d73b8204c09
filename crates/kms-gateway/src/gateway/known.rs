//! What the TEE said before: the provisioned state and wallets, kept so that a request costs one
//! call, not three. The trusted application decides by its own state, so an old copy can at worst
//! refuse or explain wrongly.

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

/// Wallets kept at most. When they are all there, they are all forgotten: rare, and simpler than
/// choosing.
const MAX_WALLETS: usize = 65_536;

/// How long what the TEE reported about itself is fresh enough to check commands of the admin
/// against: other gateways may have commanded it since.
const COMMANDED: Duration = Duration::from_secs(2);

/// How long what the TEE reported about itself will do for whoever asks: anyone may.
const RECENT: Duration = Duration::from_secs(1);

pub(super) struct Known {
    required: RequiredProtection,
    store: Arc<dyn ServedTees>,
    /// Held while the TEE is asked: the others wait for the same answer.
    reported: Arc<tokio::sync::Mutex<Option<Reported>>>,
    state: RwLock<State>,
    wallets: RwLock<Wallets>,
    paymaster_signers: PaymasterSigners,
}

/// What the TEE reported about itself, or that it did not.
struct Reported {
    at: Instant,
    generation: u64,
    lost: u64,
    state: Result<Arc<SecurityState>, TeeError>,
}

#[derive(Default)]
struct State {
    /// Goes up with every admin command, so that an answer from before one is not kept after it.
    generation: u64,
    /// Sessions that were lost before it was asked: another one may be with another trusted
    /// application.
    lost: u64,
    provisioned: Option<Arc<Provisioned>>,
    /// What commands of the admin are checked against.
    commanded: Option<Commanded>,
}

struct Commanded {
    at: Instant,
    /// Sessions that were lost before it was asked for.
    lost: u64,
    state: Arc<SecurityState>,
}

#[derive(Default)]
struct Wallets {
    /// Sessions that were lost before they were asked for.
    lost: u64,
    kept: HashMap<AccountId, Arc<WalletInfo>>,
}

impl Known {
    /// Nothing yet; what is asked for later must fulfil these requirements.
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

    /// What the TEE reports about itself now. The first that is provisioned is the one that is
    /// served from then on, by this process and those after it.
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

    /// What the TEE reports about itself, as of a second ago at most, and in no case as of before
    /// an admin command or of a session that was lost. A second of questions costs one call,
    /// whether their callers wait for it or hang up.
    pub(super) async fn recent_security_state(&self, tee: &Tee) -> Result<Arc<SecurityState>, GatewayError> {
        let mut reported = match Arc::clone(&self.reported).try_lock_owned() {
            Ok(reported) => reported,
            // The one under way may be what the TEE is stuck with.
            Err(_) if tee.queue_stats().breaker_open => return Err(GatewayError::TeeBusyBefore),
            Err(_) => Arc::clone(&self.reported).lock_owned().await,
        };
        let QueueStats { lost, breaker_open, .. } = tee.queue_stats();
        let generation = self.state.read().unwrap_or_else(PoisonError::into_inner).generation;
        // While the door is shut, asking costs nothing.
        let is_recent = |kept: &&Reported| {
            !breaker_open && kept.at.elapsed() < RECENT && (kept.generation, kept.lost) == (generation, lost)
        };
        if let Some(kept) = reported.as_ref().filter(is_recent) {
            return kept.state.clone().map_err(GatewayError::from);
        }
        let tee = tee.clone();
        detached(async move {
            let state = tee.security_state().await.map(Arc::new);
            // Who was turned away at the door cost nothing, and may knock again.
            if !matches!(state, Err(TeeError::Busy(_))) {
                *reported = Some(Reported { at: Instant::now(), generation, lost, state: state.clone() });
            }
            state.map_err(GatewayError::from)
        })
        .await
    }

    /// Admin, paymaster signer, relay keys, relying parties and ceilings, of a TEE that protects as
    /// it must.
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
        self.required.check(&reported)?;
        let provisioned = reported.provisioned.map(Arc::new).ok_or(GatewayError::Refused(Status::NotProvisioned))?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.generation == generation {
            state.provisioned = Some(Arc::clone(&provisioned));
            state.lost = lost;
        }
        Ok(provisioned)
    }

    /// Admin, relay keys and counter, as of a few seconds ago at most and of after the last command
    /// that went through this gateway, whatever the TEE protects. However many ask, the TEE is
    /// asked once.
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

    /// Whether the TEE signs for the paymasters by that key, or did a moment ago. One that is new
    /// here is asked about: another process may have had the key rotated.
    pub(super) async fn is_paymaster_signer(&self, tee: &Tee, address: Address) -> Result<bool, GatewayError> {
        if !self.paymaster_signers.contains(address) {
            self.forget_provisioned();
            self.provisioned(tee).await?;
        }
        Ok(self.paymaster_signers.contains(address))
    }

    /// After an admin command, whatever became of it.
    pub(super) fn forget_provisioned(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.generation = state.generation.wrapping_add(1);
        state.provisioned = None;
        state.commanded = None;
    }

    /// A wallet that was asked for before, over this very session.
    pub(super) fn kept_wallet(&self, tee: &Tee, account_id: &AccountId) -> Option<Arc<WalletInfo>> {
        let lost = tee.queue_stats().lost;
        let wallets = self.wallets.read().unwrap_or_else(PoisonError::into_inner);
        if wallets.lost == lost { wallets.kept.get(account_id).cloned() } else { None }
    }

    /// A wallet; the TEE is asked for it on behalf of `asker` when it is not kept.
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
