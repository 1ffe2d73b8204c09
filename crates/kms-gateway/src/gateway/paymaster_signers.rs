//! The keys with which one TEE signs for the paymasters: the current one, its standby, and earlier
//! ones, whose signatures may still arrive after they are retired.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};

use proto::command::SecurityState;
use proto::{Address, TeeId};

/// Number of addresses kept, newest first; signatures of a retired key arrive within seconds.
const MAX_SIGNERS: usize = 8;

/// The known keys.
#[derive(Default)]
pub(super) struct PaymasterSigners(RwLock<Signers>);

#[derive(Default)]
struct Signers {
    tee_id: TeeId,
    addresses: VecDeque<Address>,
}

impl PaymasterSigners {
    /// Adds the keys of the TEE's report; another TEE has other keys.
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

    /// Whether it is one of the known keys.
    pub(super) fn contains(&self, address: Address) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).addresses.contains(&address)
    }
}
