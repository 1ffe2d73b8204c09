//! One at a time for each intent, within this process: the second of two equal requests waits for the first's answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Below this many entries nothing is tidied up.
const TIDY_ABOVE: usize = 1024;

#[derive(Default)]
pub(crate) struct Turns {
    waiting: Mutex<HashMap<[u8; 32], Weak<Turn<()>>>>,
}

impl Turns {
    /// Waits for the turn; it lasts until the guard is dropped.
    pub(crate) async fn take(&self, key: [u8; 32]) -> OwnedMutexGuard<()> {
        self.of(key).lock_owned().await
    }

    fn of(&self, key: [u8; 32]) -> Arc<Turn<()>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = waiting.get(&key).and_then(Weak::upgrade) {
            return turn;
        }
        if waiting.len() >= TIDY_ABOVE && waiting.len().is_power_of_two() {
            waiting.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::new(Turn::new(()));
        waiting.insert(key, Arc::downgrade(&turn));
        turn
    }
}
