//! One at a time for each intent: the second of two equal requests waits for the first's answer. A
//! few wait, and not for long: clients hang up sooner, and their requests would go on.

use std::sync::Arc;
use std::time::Duration;

use serve::Locks;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

/// Requests of one intent that wait at once.
const MOST_WAITING: usize = 64;
/// Longer than a sponsorship takes.
const PATIENCE: Duration = Duration::from_secs(10);
/// The turns of intents.
#[derive(Default)]
pub(crate) struct IntentTurns(Locks<[u8; 32]>);

impl IntentTurns {
    /// Waits for the turn, for 10 s at most; it lasts until the guard is dropped. `None` when it
    /// did not come, or as many wait already as may.
    pub(crate) async fn take(&self, key: [u8; 32]) -> Option<OwnedMutexGuard<()>> {
        let turn = self.0.of(key);
        // This one, and whoever has the turn.
        let waiting = Arc::strong_count(&turn).saturating_sub(2);
        if waiting >= MOST_WAITING {
            return None;
        }
        timeout(PATIENCE, turn.lock_owned()).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;

    use super::*;

    const KEY: [u8; 32] = [1; 32];

    #[tokio::test(start_paused = true)]
    async fn a_few_wait_and_not_for_long() {
        let turns = Arc::new(IntentTurns::default());
        let held = turns.take(KEY).await.unwrap();
        let take = || {
            let turns = Arc::clone(&turns);
            tokio::spawn(async move { turns.take(KEY).await.is_some() })
        };
        let waiting: Vec<_> = (0..MOST_WAITING).map(|_| take()).collect();
        yield_now().await;
        assert!(turns.take(KEY).await.is_none(), "one more");
        assert!(turns.take([2; 32]).await.is_some(), "another intent");
        for waiting in waiting {
            assert!(!waiting.await.unwrap(), "longer than 10 s");
        }
        drop(held);
        assert!(turns.take(KEY).await.is_some());
    }
}
