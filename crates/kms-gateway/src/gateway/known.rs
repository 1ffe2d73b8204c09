//! What the TEE said before: the provisioned state and wallets, kept so that a request costs one call, not three. The
//! trusted application decides by its own state, so an old copy can at worst refuse or explain wrongly.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use proto::command::{GetWalletInfo, Provisioned, VerifySecurityState, WalletInfo};
use proto::{AccountId, Status};

use super::GatewayError;
use crate::protection::RequiredProtection;
use crate::tee::Tee;

/// Wallets kept at most. When they are all there, they are all forgotten: rare, and simpler than choosing.
const MAX_WALLETS: usize = 65_536;

pub(super) struct Known {
    required: RequiredProtection,
    state: RwLock<State>,
    wallets: RwLock<HashMap<AccountId, Arc<WalletInfo>>>,
}

#[derive(Default)]
struct State {
    /// Goes up with every admin command, so that an answer from before one is not kept after it.
    generation: u64,
    /// Sessions that were lost before it was asked: another one may be with another trusted application.
    reopened: u64,
    provisioned: Option<Arc<Provisioned>>,
}

impl Known {
    /// Nothing yet; what is asked for later must fulfil these requirements.
    pub(super) fn new(required: RequiredProtection) -> Self {
        Self { required, state: RwLock::default(), wallets: RwLock::default() }
    }

    /// Admin, paymaster signer, relay keys, relying parties and ceilings, of a TEE that protects as it must.
    pub(super) async fn provisioned(&self, tee: &Tee) -> Result<Arc<Provisioned>, GatewayError> {
        let reopened = tee.queue_stats().reopened;
        let generation = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(provisioned) = state.provisioned.as_ref().filter(|_| state.reopened == reopened) {
                return Ok(Arc::clone(provisioned));
            }
            state.generation
        };
        let reported = tee.call(&VerifySecurityState).await?;
        self.required.check(&reported)?;
        let provisioned = reported.provisioned.map(Arc::new).ok_or(GatewayError::Refused(Status::NotProvisioned))?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.generation == generation {
            state.provisioned = Some(Arc::clone(&provisioned));
            state.reopened = reopened;
        }
        Ok(provisioned)
    }

    /// After an admin command, whatever became of it.
    pub(super) fn forget_provisioned(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.generation = state.generation.wrapping_add(1);
        state.provisioned = None;
    }

    pub(super) async fn wallet(&self, tee: &Tee, account_id: &AccountId) -> Result<Arc<WalletInfo>, GatewayError> {
        let kept = self.wallets.read().unwrap_or_else(PoisonError::into_inner).get(account_id).cloned();
        if let Some(wallet) = kept {
            return Ok(wallet);
        }
        let request = GetWalletInfo { account_id: account_id.clone() };
        let wallet = Arc::new(tee.call(&request).await?);
        if wallet.account_id != *account_id {
            return Err(GatewayError::TeeReplyInvalid);
        }
        let mut wallets = self.wallets.write().unwrap_or_else(PoisonError::into_inner);
        if wallets.len() >= MAX_WALLETS {
            wallets.clear();
        }
        wallets.insert(account_id.clone(), Arc::clone(&wallet));
        Ok(wallet)
    }
}
