//! One at a time for each intent, within this process: the second of two equal requests waits for the first's answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use proto::IntentHash;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Below this many entries nothing is tidied up.
const TIDY_ABOVE: usize = 1024;

#[derive(Default)]
pub(crate) struct Turns {
    waiting: Mutex<HashMap<IntentHash, Weak<Turn<()>>>>,
}

impl Turns {
    /// Waits for the turn; it lasts until the guard is dropped.
    pub(crate) async fn take(&self, intent: IntentHash) -> OwnedMutexGuard<()> {
        self.of(intent).lock_owned().await
    }

    fn of(&self, intent: IntentHash) -> Arc<Turn<()>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = waiting.get(&intent).and_then(Weak::upgrade) {
            return turn;
        }
        if waiting.len() >= TIDY_ABOVE && waiting.len().is_power_of_two() {
            waiting.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::new(Turn::new(()));
        waiting.insert(intent, Arc::downgrade(&turn));
        turn
    }
}
