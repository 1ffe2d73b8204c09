//! Turns of clients at the processor: requests of one client are parsed one at a time, on however
//! many connections they arrive. A client that sends much makes its own requests wait, and others
//! wait for one of them at most.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::locks::Locks;
use crate::trusted_proxies::Client;

/// The turns of the clients of one port.
#[derive(Clone, Debug, Default)]
pub struct Turns(Arc<Locks<Client>>);

/// The turn of one request; an extension of it.
#[derive(Clone, Debug)]
pub struct Turn {
    turns: Turns,
    client: Client,
    held: Arc<Mutex<Option<OwnedMutexGuard<()>>>>,
}

impl Turns {
    /// For a request of that client.
    #[must_use]
    pub fn of(&self, client: Client) -> Turn {
        Turn { turns: self.clone(), client, held: Arc::default() }
    }
}

impl Turn {
    /// Waits until no other request of the client has a turn: before costly work whose length the
    /// client chooses. To be called within [`Self::until_it_waits`], which ends the turn.
    pub async fn begin(&self) {
        let held = self.turns.0.of(self.client).lock_owned().await;
        *self.held() = Some(held);
    }

    /// Does the work of the request. A turn that begins within ends when the work has to wait for
    /// anything, is done, or is dropped.
    pub async fn until_it_waits<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        let ends = Ends(self);
        std::future::poll_fn(|context| {
            let poll = work.as_mut().poll(context);
            ends.0.end();
            poll
        })
        .await
    }

    fn end(&self) {
        *self.held() = None;
    }

    fn held(&self) -> MutexGuard<'_, Option<OwnedMutexGuard<()>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the turn of work that panicked.
struct Ends<'a>(&'a Turn);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use futures_util::FutureExt as _;
    use tokio::sync::Notify;
    use tokio::task::yield_now;

    use super::*;

    fn client(last: u8) -> Client {
        Client::Address(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)))
    }

    #[tokio::test]
    async fn a_client_waits_for_its_own_requests_and_for_nobody_elses() {
        let turns = Turns::default();
        let first = turns.of(client(1));
        first.begin().await;
        let second = turns.of(client(1));
        let mut waiting = Box::pin(second.until_it_waits(second.begin()));
        assert!(waiting.as_mut().now_or_never().is_none());
        let other = turns.of(client(2));
        assert!(other.until_it_waits(other.begin()).now_or_never().is_some());
        first.end();
        assert!(waiting.now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_turn_ends_when_the_work_waits_and_when_it_is_dropped() {
        let turns = Turns::default();
        let (turn, answer) = (turns.of(client(1)), Notify::new());
        let mut working = Box::pin(turn.until_it_waits(async {
            turn.begin().await;
            assert!(turn.held().is_some());
            answer.notified().await;
        }));
        assert!(working.as_mut().now_or_never().is_none());
        assert!(turn.held().is_none());
        let next = turns.of(client(1));
        next.begin().await;
        drop(next);
        answer.notify_one();
        working.await;
        turns.of(client(1)).begin().await;
    }

    #[tokio::test]
    async fn requests_of_a_client_have_their_turns_in_order() {
        let turns = Turns::default();
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks = (0..10).map(|number| {
            let (turn, order) = (turns.of(client(1)), Arc::clone(&order));
            tokio::spawn(async move {
                let work = async {
                    turn.begin().await;
                    order.lock().unwrap().push(number);
                    yield_now().await;
                };
                turn.until_it_waits(work).await;
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), (0..10).collect::<Vec<_>>());
    }
}
