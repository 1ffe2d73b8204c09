//! One lock per key, within this process.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Mutex as Lock;

/// Below this many entries the map is not cleaned up.
const TIDY_ABOVE: usize = 1024;

/// The locks of all keys that are locked or waited for.
#[derive(Debug)]
pub struct Locks<K>(Mutex<HashMap<K, Weak<Lock<()>>>>);

impl<K> Default for Locks<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Locks<K> {
    /// The lock of a key, which is fair: first come, first served.
    pub fn of(&self, key: K) -> Arc<Lock<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(&key).and_then(Weak::upgrade) {
            return lock;
        }
        if locks.len() >= TIDY_ABOVE && locks.len().is_power_of_two() {
            locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::new(Lock::new(()));
        locks.insert(key, Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_lock_while_it_is_used_and_unused_ones_are_removed() {
        let locks = Locks::default();
        let kept = locks.of(0);
        for key in 1..10_000 {
            drop(locks.of(key));
            assert!(Arc::ptr_eq(&kept, &locks.of(0)));
        }
        assert!(locks.0.lock().unwrap().len() <= 2 * TIDY_ABOVE);
    }
}
