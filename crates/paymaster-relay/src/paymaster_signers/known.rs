//! The keys by which TEEs sign for the paymasters, as the KMS told: of each TEE the one in use, its
//! standby, and those before it.

use std::collections::{HashMap, VecDeque};
use std::mem::replace;
use std::sync::{PoisonError, RwLock};

use proto::{Address, TeeId};

use crate::kms::KmsSigners;

/// Keys that are remembered of each TEE after they were retired.
const MAX_RETIRED: usize = 8;
/// TEEs that are remembered. Beyond that all are forgotten, and learnt of again.
const MAX_TEES: usize = 64;

/// How a key stands in its TEE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It signs.
    Current,
    /// It is to sign next. Where it signs already, the KMS was asked before that.
    Standby,
    /// It signed before, and never will again.
    Retired,
}

/// What was learnt of them.
#[derive(Default)]
pub(super) struct KnownKeys(RwLock<Known>);

#[derive(Default)]
struct Known {
    tees: HashMap<TeeId, Keys>,
    /// The key in use of the TEE that was learnt of last, and when in Unix seconds.
    latest: Option<(Address, u64)>,
}

struct Keys {
    current: Address,
    standby: Option<Address>,
    /// The newest first.
    retired: VecDeque<Address>,
    /// Unix seconds.
    learnt_at: u64,
}

impl KnownKeys {
    /// Takes in what the KMS tells of one TEE now.
    pub(super) fn learn(&self, told: &KmsSigners, now: u64) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.latest = Some((told.paymaster_signer, now));
        let tees = &mut known.tees;
        if tees.len() >= MAX_TEES && !tees.contains_key(&told.tee_id) {
            tees.clear();
        }
        let keys = tees.entry(told.tee_id).or_insert_with(|| Keys {
            current: told.paymaster_signer,
            standby: None,
            retired: VecDeque::new(),
            learnt_at: now,
        });
        let before = replace(&mut keys.current, told.paymaster_signer);
        if before != keys.current {
            keys.retired.push_front(before);
        }
        let current = keys.current;
        keys.retired.retain(|retired| *retired != current);
        keys.retired.truncate(MAX_RETIRED);
        keys.standby = told.standby_paymaster_signer;
        keys.learnt_at = now;
    }

    /// How a key stands and since when that is known, in Unix seconds. `None`: no TEE that we know
    /// has it.
    pub(super) fn standing(&self, address: Address) -> Option<(Standing, u64)> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.tees.values().find_map(|keys| keys.standing(address).map(|standing| (standing, keys.learnt_at)))
    }

    /// The key that the KMS would sign with, as it said last, and when in Unix seconds.
    pub(super) fn latest(&self) -> Option<(Address, u64)> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).latest
    }
}

impl Keys {
    fn standing(&self, address: Address) -> Option<Standing> {
        match address {
            address if address == self.current => Some(Standing::Current),
            address if Some(address) == self.standby => Some(Standing::Standby),
            address if self.retired.contains(&address) => Some(Standing::Retired),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> Address {
        Address([number; 20])
    }

    fn told(tee: u8, current: u8, standby: Option<u8>) -> KmsSigners {
        KmsSigners {
            tee_id: TeeId([tee; 32]),
            paymaster_signer: key(current),
            standby_paymaster_signer: standby.map(key),
            signers: Vec::new(),
            rp_id: None,
            ceilings: None,
        }
    }

    #[test]
    fn a_key_is_standby_then_current_then_retired() {
        let signers = KnownKeys::default();
        assert_eq!(signers.standing(key(1)), None);
        signers.learn(&told(1, 1, Some(2)), 10);
        assert_eq!(signers.standing(key(2)), Some((Standing::Standby, 10)));
        signers.learn(&told(1, 2, None), 20);
        assert_eq!(signers.standing(key(1)), Some((Standing::Retired, 20)));
        assert_eq!(signers.standing(key(2)), Some((Standing::Current, 20)));
        for current in 3..30 {
            signers.learn(&told(1, current, None), 30);
        }
        assert_eq!(signers.standing(key(28)), Some((Standing::Retired, 30)));
        assert_eq!(signers.standing(key(1)), None, "forgotten at last");
    }

    #[test]
    fn the_keys_of_another_tee_are_no_retired_ones_of_this() {
        let signers = KnownKeys::default();
        signers.learn(&told(1, 1, None), 10);
        signers.learn(&told(2, 2, None), 20);
        signers.learn(&told(1, 1, None), 30);
        assert_eq!(signers.standing(key(1)), Some((Standing::Current, 30)));
        assert_eq!(signers.standing(key(2)), Some((Standing::Current, 20)));
        for tee in 0..=u8::MAX {
            signers.learn(&told(tee, tee, None), 40);
        }
        assert!(signers.0.read().unwrap().tees.len() <= MAX_TEES);
    }
}
