//! The keys with which TEEs sign for the paymasters, as reported by the KMS: of each TEE the
//! current one, its standby, and earlier ones.

use std::collections::{HashMap, VecDeque};
use std::mem::replace;
use std::sync::{PoisonError, RwLock};

use proto::{Address, TeeId};

use crate::kms::KmsSigners;

/// Number of retired keys remembered per TEE.
const MAX_RETIRED: usize = 8;
/// Number of TEEs remembered. Beyond that all are dropped, and learnt again.
const MAX_TEES: usize = 64;

/// The state of a key in its TEE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It signs.
    Current,
    /// It is to sign next. If it already signs, the KMS was queried before the change.
    Standby,
    /// It signed before, and never will again.
    Retired,
}

/// The known keys.
#[derive(Default)]
pub(super) struct KnownKeys(RwLock<Known>);

#[derive(Default)]
struct Known {
    tees: HashMap<TeeId, Keys>,
    /// The current key of the TEE learnt last, and when, in Unix seconds.
    latest: Option<(Address, u64)>,
}

struct Keys {
    current: Address,
    standby: Option<Address>,
    /// Newest first.
    retired: VecDeque<Address>,
    /// Unix seconds.
    learnt_at: u64,
}

impl KnownKeys {
    /// Records the KMS's current report of one TEE.
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

    /// The state of a key, and since when it is known, in Unix seconds. `None`: no known TEE has
    /// it.
    pub(super) fn standing(&self, address: Address) -> Option<(Standing, u64)> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.tees.values().find_map(|keys| keys.standing(address).map(|standing| (standing, keys.learnt_at)))
    }

    /// The key that the KMS would sign with by its last report, and the report's time in Unix
    /// seconds.
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
            allowances: None,
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
