//! Whose turn it is to have a quote. Anyone may ask, and they are made so rarely that whoever asks most often would have
//! them all: clients wait for each other, each with one request, and the next is for whoever has been without one for longest,
//! since the last that it had or since it first asked. Whoever is refused keeps that place for its next request, and a client
//! that nobody has seen comes behind those who are known.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::GatewayError;

/// Clients that wait at once.
const MAX_WAITING: usize = 64;
/// Clients of which it is known since when they are without a quote. For one more, whoever is so for the shortest time and does
/// not wait is forgotten.
const MAX_REMEMBERED: usize = 4096;
/// The longest that a request waits, where the default interval and a quote have room.
const PATIENCE: Duration = Duration::from_secs(8);

/// Rations quotes.
pub(super) struct Quotes {
    interval: Duration,
    patience: Duration,
    shared: Mutex<Shared>,
    /// Something happened that whoever waits has to look at.
    changed: Notify,
}

#[derive(Default)]
struct Shared {
    next: Next,
    /// Counts requests that wait and quotes that are made.
    events: u64,
    /// By client: when it came.
    waiting: HashMap<IpAddr, u64>,
    /// By client: when it had its last quote, or first asked for one.
    without: HashMap<IpAddr, u64>,
}

#[derive(Default)]
enum Next {
    #[default]
    Now,
    WhenTheOneUnderWayEnds,
    At(Instant),
}

/// The right to one quote. To be dropped when it is made; dropped unspent, it is the next client's.
pub struct QuoteTurn {
    quotes: Arc<Quotes>,
    client: IpAddr,
    came: Instant,
    is_spent: bool,
}

/// A client's only place among those who wait.
struct Place<'a> {
    quotes: &'a Quotes,
    client: IpAddr,
    number: u64,
}

impl Quotes {
    /// `longest`: what a request has for waiting and the quote together.
    pub(super) fn new(interval: Duration, longest: Duration) -> Arc<Self> {
        let patience = PATIENCE.min(longest / 2);
        Arc::new(Self { interval, patience, shared: Mutex::default(), changed: Notify::new() })
    }

    /// Waits for the client's turn for a few seconds, if it can come in that time.
    ///
    /// # Errors
    /// `attestation_too_soon`.
    pub(super) async fn turn(self: &Arc<Self>, client: IpAddr) -> Result<QuoteTurn, GatewayError> {
        let came = Instant::now();
        let deadline = came + self.patience;
        let place = self.place(client)?;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            let wake = match self.take(&place)? {
                Taken::Turn => return Ok(QuoteTurn { quotes: Arc::clone(self), client, came, is_spent: false }),
                Taken::DueAt(due) if due > deadline => return Err(self.too_soon("quotes are rationed")),
                Taken::DueAt(due) => due,
                Taken::OthersFirst => deadline,
            };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(wake) => {}
            }
            if Instant::now() >= deadline {
                return Err(self.too_soon("other clients come first"));
            }
        }
    }

    /// Where all places are taken, the newcomer has that of a client that is without a quote for a shorter time.
    fn place(&self, client: IpAddr) -> Result<Place<'_>, GatewayError> {
        let mut shared = self.shared();
        if shared.waiting.contains_key(&client) {
            drop(shared);
            return Err(self.too_soon("a request of this client waits for a quote already"));
        }
        let number = shared.event();
        shared.wants_one_since(client, number);
        if shared.waiting.len() >= MAX_WAITING {
            let last_of_all = shared.waiting.keys().copied().max_by_key(|other| shared.rank(other));
            let outranked = last_of_all.filter(|other| shared.rank(other) > shared.rank(&client));
            let Some(outranked) = outranked else {
                drop(shared);
                return Err(self.too_soon("too many clients wait for a quote"));
            };
            shared.waiting.remove(&outranked);
            self.changed.notify_waiters();
        }
        shared.waiting.insert(client, number);
        Ok(Place { quotes: self, client, number })
    }

    fn take(&self, place: &Place<'_>) -> Result<Taken, GatewayError> {
        let mut shared = self.shared();
        if shared.waiting.get(&place.client) != Some(&place.number) {
            drop(shared);
            return Err(self.too_soon("other clients come first"));
        }
        match shared.next {
            Next::WhenTheOneUnderWayEnds => return Ok(Taken::OthersFirst),
            Next::At(due) if due > Instant::now() => return Ok(Taken::DueAt(due)),
            Next::Now | Next::At(_) => {}
        }
        if shared.waiting.keys().min_by_key(|other| shared.rank(other)) != Some(&place.client) {
            return Ok(Taken::OthersFirst);
        }
        shared.next = Next::WhenTheOneUnderWayEnds;
        Ok(Taken::Turn)
    }

    pub(super) fn too_soon(&self, problem: &'static str) -> GatewayError {
        let wait = match self.shared().next {
            Next::Now => Duration::ZERO,
            Next::WhenTheOneUnderWayEnds => self.interval,
            Next::At(time) => time.saturating_duration_since(Instant::now()),
        };
        GatewayError::AttestationTooSoon { problem, retry_after_seconds: wait.as_secs().saturating_add(1) }
    }

    /// Nothing that is done under the lock can leave it half changed.
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Taken {
    Turn,
    DueAt(Instant),
    OthersFirst,
}

impl Shared {
    /// Who has the lowest is next.
    fn rank(&self, client: &IpAddr) -> u64 {
        self.without.get(client).copied().unwrap_or(u64::MAX)
    }

    /// Unless it is known since when.
    fn wants_one_since(&mut self, client: IpAddr, number: u64) {
        if self.without.contains_key(&client) {
            return;
        }
        if self.without.len() >= MAX_REMEMBERED {
            let idle = self.without.iter().filter(|(other, _)| !self.waiting.contains_key(other));
            let latest = idle.max_by_key(|(_, number)| **number).map(|(other, _)| *other);
            latest.map(|latest| self.without.remove(&latest));
        }
        self.without.insert(client, number);
    }

    fn event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }

    fn remember(&mut self, client: IpAddr) {
        let number = self.event();
        self.without.remove(&client);
        self.wants_one_since(client, number);
    }
}

impl QuoteTurn {
    /// The quote is asked for from here on.
    pub(super) fn spend(&mut self) {
        self.is_spent = true;
    }

    /// Since its client came.
    pub(super) fn waited(&self) -> Duration {
        self.came.elapsed()
    }
}

impl Drop for QuoteTurn {
    fn drop(&mut self) {
        let mut shared = self.quotes.shared();
        shared.next = if self.is_spent { Next::At(Instant::now() + self.quotes.interval) } else { Next::Now };
        if self.is_spent {
            shared.remember(self.client);
        }
        drop(shared);
        self.quotes.changed.notify_waiters();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut shared = self.quotes.shared();
        if shared.waiting.get(&self.client) == Some(&self.number) {
            shared.waiting.remove(&self.client);
        }
        drop(shared);
        self.quotes.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);

    fn quotes() -> Arc<Quotes> {
        Quotes::new(INTERVAL, Duration::from_secs(30))
    }

    fn client(number: u8) -> IpAddr {
        [192, 0, 2, number].into()
    }

    async fn quote(quotes: &Arc<Quotes>, number: u8) -> Result<(), GatewayError> {
        quotes.turn(client(number)).await?.spend();
        Ok(())
    }

    fn waiting(quotes: &Arc<Quotes>, number: u8) -> tokio::task::JoinHandle<Result<(), GatewayError>> {
        let quotes = Arc::clone(quotes);
        tokio::spawn(async move { quote(&quotes, number).await })
    }

    async fn until_waiting(quotes: &Quotes, count: usize) {
        while quotes.shared().waiting.len() != count {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_quote_is_for_whoever_has_been_without_one_for_longest() {
        let quotes = quotes();
        quote(&quotes, 1).await.unwrap();
        quote(&quotes, 2).await.unwrap();
        // All of them ask until they have one; the third has never had any.
        for served in [1, 2, 3, 1, 2, 3] {
            let polls = [3, 2, 1].map(|number| (number, waiting(&quotes, number)));
            until_waiting(&quotes, 3).await;
            for (number, poll) in polls {
                assert_eq!(poll.await.unwrap().is_ok(), number == served, "{number} in place of {served}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_nobody_has_seen_come_behind_those_who_are_known() {
        let quotes = quotes();
        quote(&quotes, 0).await.unwrap();
        let mut had = 0;
        for stranger in 1..=20 {
            let polls = [stranger, 0].map(|number| waiting(&quotes, number));
            until_waiting(&quotes, 2).await;
            let [_, known] = polls;
            had += usize::from(known.await.unwrap().is_ok());
            while !quotes.shared().waiting.is_empty() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        assert!(had >= 10, "{had} of 20");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_waits_with_one_request() {
        let quotes = quotes();
        quote(&quotes, 1).await.unwrap();
        let first = waiting(&quotes, 1);
        until_waiting(&quotes, 1).await;
        let Err(refused) = quote(&quotes, 1).await else { panic!("it has two places") };
        assert!(refused.is_retryable() && refused.to_string().contains("waits for a quote already"), "{refused}");
        first.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_goes_to_who_has_been_without_a_quote_for_longer() {
        let quotes = quotes();
        for known in [0, 100] {
            quote(&quotes, known).await.unwrap();
        }
        let strangers: Vec<_> = (1..=64).map(|number| waiting(&quotes, number)).collect();
        until_waiting(&quotes, MAX_WAITING).await;
        let known = waiting(&quotes, 100);
        tokio::task::yield_now().await;
        let has_place = |number| quotes.shared().waiting.contains_key(&client(number));
        assert_eq!((has_place(100), has_place(64)), (true, false));
        assert!(quote(&quotes, 101).await.unwrap_err().to_string().contains("too many clients"));
        known.abort();
        assert!(known.await.unwrap_err().is_cancelled());
        assert_eq!(quotes.shared().waiting.len(), MAX_WAITING - 1, "who hangs up has no place");
        drop(strangers);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_is_not_spent_is_the_next_client_s_at_once() {
        let quotes = quotes();
        let turn = quotes.turn(client(1)).await.unwrap();
        let next = waiting(&quotes, 2);
        until_waiting(&quotes, 1).await;
        let began = Instant::now();
        drop(turn);
        next.await.unwrap().unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
