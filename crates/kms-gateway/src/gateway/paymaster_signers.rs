//! The keys by which one TEE signs for the paymasters: the one in use, its standby, and those
//! before it, whose signatures may still be on their way when they are retired.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};

use proto::command::SecurityState;
use proto::{Address, TeeId};

/// Addresses that are remembered, the newest; what a retired key signed is on its way for seconds.
const MAX_SIGNERS: usize = 8;

/// What was learnt of them.
#[derive(Default)]
pub(super) struct PaymasterSigners(RwLock<Signers>);

#[derive(Default)]
struct Signers {
    tee_id: TeeId,
    addresses: VecDeque<Address>,
}

impl PaymasterSigners {
    /// Takes in what the TEE says; another TEE has other keys.
    pub(super) fn learn(&self, state: &SecurityState) {
        let Some(provisioned) = &state.provisioned else { return };
        let told = [provisioned.standby_paymaster_signer, Some(provisioned.paymaster_signer)];
        let is_known = |signers: &Signers| {
            signers.tee_id == state.tee_id && told.iter().flatten().all(|told| signers.addresses.contains(told))
        };
        if is_known(&self.0.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        let mut signers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if signers.tee_id != state.tee_id {
            *signers = Signers { tee_id: state.tee_id, addresses: VecDeque::new() };
        }
        for told in told.into_iter().flatten() {
            if !signers.addresses.contains(&told) {
                signers.addresses.push_front(told);
            }
        }
        signers.addresses.truncate(MAX_SIGNERS);
    }

    /// Whether it is one of them, as far as is known.
    pub(super) fn contains(&self, address: Address) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).addresses.contains(&address)
    }
}
