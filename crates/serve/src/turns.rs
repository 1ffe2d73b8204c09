//! Fair use of the processor: a client's requests are parsed one at a time, on however many
//! connections they arrive. A client that sends much delays its own requests, and others wait for
//! at most one of them. Across all clients, as many requests are parsed at once as there are
//! processors, in order of arrival, so that requests already parsed, which wait for the chain or
//! the TEE, resume after few of them, however many clients there are.
//!
//! The messages of a client's WebSockets are also bounded in number, as its connections are.

use std::future::Future;
use std::num::NonZero;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::locks::{Locks, PerKey};
use crate::trusted_proxies::Client;

/// Maximum number of messages of a client that are answered at once, on all its WebSockets: as many
/// as an address may have connections by default.
const MESSAGES: usize = 256;

/// The turns of one port's clients.
#[derive(Clone, Debug)]
pub struct Turns {
    clients: Arc<Locks<Client>>,
    messages: Arc<PerKey<Client, Semaphore>>,
    processors: Arc<Semaphore>,
}

/// The turn of one request, provided as a request extension.
#[derive(Clone, Debug)]
pub struct Turn {
    turns: Turns,
    client: Client,
    held: Arc<Mutex<Option<Held>>>,
    /// Of a message, until it is answered.
    _place: Option<Arc<OwnedSemaphorePermit>>,
}

/// A turn in progress.
#[derive(Debug)]
struct Held {
    _client: OwnedMutexGuard<()>,
    /// `None` if the semaphore is closed, which never happens.
    _processor: Option<OwnedSemaphorePermit>,
}

impl Default for Turns {
    fn default() -> Self {
        let processors = available_parallelism().map_or(1, NonZero::get);
        let processors = Arc::new(Semaphore::new(processors));
        Self { clients: Arc::default(), messages: Arc::default(), processors }
    }
}

impl Turns {
    /// A turn for a request of that client.
    #[must_use]
    pub fn of(&self, client: Client) -> Turn {
        Turn { turns: self.clone(), client, held: Arc::default(), _place: None }
    }

    /// A turn for a message on a WebSocket of that client, to be kept until the message is
    /// answered: waits while the client has too many.
    pub async fn of_message(&self, client: Client) -> Turn {
        let places = self.messages.of_or(client, || Semaphore::new(MESSAGES));
        let place = places.acquire_owned().await.ok().map(Arc::new);
        Turn { _place: place, ..self.of(client) }
    }
}

impl Turn {
    /// Waits until no other request of the client has a turn, and a processor is free. Called
    /// before costly work whose length the client chooses, within [`Self::until_it_waits`], which
    /// ends the turn. Does nothing if the turn has begun.
    pub async fn begin(&self) {
        if self.held().is_some() {
            return;
        }
        let client = self.turns.clients.of(self.client).lock_owned().await;
        let processor = Arc::clone(&self.turns.processors).acquire_owned().await.ok();
        *self.held() = Some(Held { _client: client, _processor: processor });
    }

    /// Runs the work of the request. A turn begun within it ends when the work waits for something,
    /// completes, or is dropped.
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

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Also ends the turn if the work panics.
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
    async fn a_client_waits_only_for_its_own_requests() {
        let turns = Turns { processors: Arc::new(Semaphore::new(2)), ..Turns::default() };
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
    async fn a_client_with_many_messages_waits_for_its_own_answers() {
        let turns = Turns::default();
        let mut answering = Vec::new();
        for _ in 0..MESSAGES {
            answering.push(turns.of_message(client(1)).await);
        }
        let mut waiting = Box::pin(turns.of_message(client(1)));
        assert!(waiting.as_mut().now_or_never().is_none());
        // The runtime lets a task proceed only so often without a break.
        yield_now().await;
        assert!(turns.of_message(client(2)).now_or_never().is_some());
        let kept = answering[0].clone();
        answering.remove(0);
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(kept);
        assert!(waiting.now_or_never().is_some());
    }

    #[tokio::test]
    async fn as_many_clients_have_a_turn_as_there_are_processors() {
        let turns = Turns { processors: Arc::new(Semaphore::new(2)), ..Turns::default() };
        let [first, second, third] = [1, 2, 3].map(|last| turns.of(client(last)));
        first.begin().await;
        second.begin().await;
        let mut waiting = Box::pin(third.until_it_waits(third.begin()));
        assert!(waiting.as_mut().now_or_never().is_none());
        second.end();
        assert!(waiting.now_or_never().is_some());
        assert_eq!(turns.processors.available_permits(), 1);
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
