//! A full check queries the chain, the KMS and the databases. Only one runs at a time: callers that
//! arrive during a check share the next one, so that many callers cost no more than one, and each
//! gets a state from after its call.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use paymaster_relay::status::Check;
use tokio::sync::Mutex;

#[derive(Debug, Default)]
pub struct SharedLook {
    begun: AtomicU64,
    last: Mutex<Look>,
}

#[derive(Debug, Default)]
struct Look {
    /// Counted from 1.
    number: u64,
    found: Vec<Check>,
}

impl SharedLook {
    /// The result of a check that begins now or later.
    pub async fn found(&self, look: impl Future<Output = Vec<Check>>) -> Vec<Check> {
        let before = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if last.number <= before {
            let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
            *last = Look { number, found: look.await };
        }
        last.found.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;
    use tokio::task::{JoinSet, yield_now};

    use super::*;

    #[tokio::test]
    async fn callers_that_arrive_during_a_check_share_the_next_one() {
        let (shared, looks, go) =
            (Arc::<SharedLook>::default(), Arc::<AtomicU64>::default(), Arc::new(Semaphore::new(0)));
        let mut asking = JoinSet::new();
        for _ in 0..10 {
            let (shared, looks, go) = (Arc::clone(&shared), Arc::clone(&looks), Arc::clone(&go));
            asking.spawn(async move {
                let look = async {
                    go.acquire().await.unwrap().forget();
                    let number = looks.fetch_add(1, Ordering::SeqCst) + 1;
                    vec![Check::of("look", Err(number.to_string()))]
                };
                shared.found(look).await
            });
            // The first check is running before the next caller arrives.
            yield_now().await;
        }
        go.add_permits(2);
        let mut found: Vec<_> =
            asking.join_all().await.into_iter().filter_map(|checks| checks[0].problem.clone()).collect();
        found.sort();
        assert_eq!(found, [&["1"; 1][..], &["2"; 9]].concat());
        // A check that was abandoned answers no one.
        let (unfinished, never) = (Arc::clone(&shared), std::future::pending());
        let given_up = tokio::spawn(async move { unfinished.found(never).await });
        yield_now().await;
        given_up.abort();
        assert_eq!(shared.found(async { vec![] }).await, []);
    }
}
