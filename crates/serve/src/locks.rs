//! One value per key, within this process, for as long as it is used.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Mutex as Lock;

/// Below this many entries the map is not cleaned up.
const TIDY_ABOVE: usize = 1024;

/// The values of all keys that are in use.
#[derive(Debug)]
pub struct PerKey<K, V>(Mutex<HashMap<K, Weak<V>>>);

/// The locks of all keys that are locked or waited for. Each is fair: first come, first served.
pub type Locks<K> = PerKey<K, Lock<()>>;

impl<K, V> Default for PerKey<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Default> PerKey<K, V> {
    /// The value of a key.
    pub fn of(&self, key: K) -> Arc<V> {
        self.of_or(key, V::default)
    }
}

impl<K: Eq + Hash, V> PerKey<K, V> {
    /// The value of a key, made for its first user.
    pub fn of_or(&self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = values.get(&key).and_then(Weak::upgrade) {
            return value;
        }
        if values.len() >= TIDY_ABOVE && values.len().is_power_of_two() {
            values.retain(|_, value| value.strong_count() > 0);
        }
        let value = Arc::new(make());
        values.insert(key, Arc::downgrade(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_lock_while_it_is_used_and_unused_ones_are_removed() {
        let locks = Locks::<u32>::default();
        let kept = locks.of(0);
        for key in 1..10_000 {
            drop(locks.of(key));
            assert!(Arc::ptr_eq(&kept, &locks.of(0)));
        }
        assert!(locks.0.lock().unwrap().len() <= 2 * TIDY_ABOVE);
    }
}
