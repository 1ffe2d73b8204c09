//! One at a time for each key, within this process.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Mutex as Turn;

/// Below this many entries nothing is tidied up.
const TIDY_ABOVE: usize = 1024;

/// The turns of the keys that anybody has or waits for.
#[derive(Debug)]
pub(crate) struct Turns<K>(Mutex<HashMap<K, Weak<Turn<()>>>>);

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Turns<K> {
    /// The lock of a key, first come, first served.
    pub(crate) fn of(&self, key: K) -> Arc<Turn<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&key).and_then(Weak::upgrade) {
            return turn;
        }
        if turns.len() >= TIDY_ABOVE && turns.len().is_power_of_two() {
            turns.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::new(Turn::new(()));
        turns.insert(key, Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_turn_while_anybody_has_it_and_old_ones_are_tidied_up() {
        let turns = Turns::default();
        let kept = turns.of(0);
        for key in 1..10_000 {
            turns.of(key);
            assert!(Arc::ptr_eq(&kept, &turns.of(0)));
        }
        assert!(turns.0.lock().unwrap().len() <= 2 * TIDY_ABOVE);
    }
}
