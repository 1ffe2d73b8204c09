//! One request at a time per intent: the second of two equal requests waits for the first one's
//! answer. Only a few wait, and briefly: clients hang up sooner, and their requests would continue.

use std::sync::Arc;
use std::time::Duration;

use serve::Locks;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

/// Maximum number of waiting requests per intent.
const MOST_WAITING: usize = 64;
/// Longer than a sponsorship takes, unless bundlers are silent while they should simulate it.
const PATIENCE: Duration = Duration::from_secs(10);
/// The turns of intents.
#[derive(Default)]
pub(crate) struct IntentTurns(Locks<[u8; 32]>);

impl IntentTurns {
    /// Waits for the turn, for at most 10 s; it lasts until the guard is dropped. `None` if it did
    /// not come, or the maximum number of requests is already waiting.
    pub(crate) async fn take(&self, key: [u8; 32]) -> Option<OwnedMutexGuard<()>> {
        let turn = self.0.of(key);
        // This one, and the current holder.
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
