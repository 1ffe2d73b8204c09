//! Fair turns for quotes. Anyone may ask, and quotes are so rare that the most frequent caller
//! would get them all. So clients wait for each other, and the next quote goes to the client that
//! has been without one for longest, counted from its last quote or its first request. A refused
//! client keeps its position for its next request, and a new client comes behind known ones. Among
//! the requests of one client, a random one is chosen (`line`).

mod line;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serve::Client;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::GatewayError;
use line::{Joined, Line};

/// Maximum number of clients that wait at once.
const MAX_WAITING: usize = 64;
/// Maximum number of clients whose time without a quote is remembered. Beyond it, the client with
/// the shortest time that is not waiting is forgotten.
const MAX_REMEMBERED: usize = 4096;
/// The longest time a request waits; it leaves room for the default interval and a quote.
const PATIENCE: Duration = Duration::from_secs(8);

/// Why a request that waited gets no quote.
const OTHERS_FIRST: &str = "other requests come first";
const ADDRESS_FULL: &str = "at most 4 requests from one address may wait for a quote";
const CLIENTS_FULL: &str = "at most 64 clients may wait for a quote";
const _: () = assert!(line::PLACES == 4 && MAX_WAITING == 64, "the texts say so");

/// Rate-limits quotes.
pub(super) struct Quotes {
    interval: Duration,
    patience: Duration,
    shared: Mutex<Shared>,
    /// Notified when waiting requests have to check again.
    changed: Notify,
}

#[derive(Default)]
struct Shared {
    next: Next,
    /// Counts requests that wait and quotes that are made.
    events: u64,
    /// None of the lines is empty.
    waiting: HashMap<Client, Line>,
    /// By client: when it got its last quote, or first asked for one.
    without: HashMap<Client, u64>,
}

#[derive(Default)]
enum Next {
    #[default]
    Now,
    WhenTheOneUnderWayEnds,
    At(Instant),
}

/// The right to one quote. Drop it when the quote is made; dropped unused, it goes to the next
/// client.
pub struct QuoteTurn {
    quotes: Arc<Quotes>,
    client: Client,
    came: Instant,
    is_spent: bool,
}

/// A request's place in the queue.
struct Place<'a> {
    quotes: &'a Quotes,
    client: Client,
    number: u64,
}

impl Quotes {
    /// `longest`: the time that a request has for waiting and the quote together.
    pub(super) fn new(interval: Duration, longest: Duration) -> Arc<Self> {
        let patience = PATIENCE.min(longest / 2);
        Arc::new(Self { interval, patience, shared: Mutex::default(), changed: Notify::new() })
    }

    /// Waits for the client's turn for a few seconds, if it can come in that time.
    ///
    /// # Errors
    /// `attestation_too_soon`.
    pub(super) async fn turn(self: &Arc<Self>, client: Client) -> Result<QuoteTurn, GatewayError> {
        let came = Instant::now();
        let deadline = came + self.patience;
        let place = self.place(client)?;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no notification is missed.
            changed.as_mut().enable();
            let wake = match self.take(&place)? {
                Taken::Turn => return Ok(QuoteTurn { quotes: Arc::clone(self), client, came, is_spent: false }),
                Taken::DueAt(due) if due > deadline => return Err(self.too_soon(client, "quotes are rate-limited")),
                Taken::DueAt(due) => due,
                Taken::OthersFirst => deadline,
            };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(wake) => {}
            }
            if Instant::now() >= deadline {
                return Err(self.too_soon(client, OTHERS_FIRST));
            }
        }
    }

    /// If the maximum number of clients is waiting, a new one replaces a client that has been
    /// without a quote for a shorter time.
    fn place(&self, client: Client) -> Result<Place<'_>, GatewayError> {
        let mut shared = self.shared();
        let number = shared.event();
        if let Some(line) = shared.waiting.get_mut(&client) {
            match line.join(number)? {
                Joined::FreePlace => {}
                Joined::PlaceOfAnother => self.changed.notify_waiters(),
                Joined::NoPlace => {
                    drop(shared);
                    return Err(self.too_soon(client, ADDRESS_FULL));
                }
            }
            return Ok(Place { quotes: self, client, number });
        }
        shared.wants_one_since(client, number);
        if shared.waiting.len() >= MAX_WAITING {
            let last_of_all = shared.waiting.keys().copied().max_by_key(|other| shared.rank(other));
            let outranked = last_of_all.filter(|other| shared.rank(other) > shared.rank(&client));
            let Some(outranked) = outranked else {
                drop(shared);
                return Err(self.too_soon(client, CLIENTS_FULL));
            };
            shared.waiting.remove(&outranked);
            self.changed.notify_waiters();
        }
        let mut line = Line::default();
        line.join(number)?;
        shared.waiting.insert(client, line);
        Ok(Place { quotes: self, client, number })
    }

    fn take(&self, place: &Place<'_>) -> Result<Taken, GatewayError> {
        let mut shared = self.shared();
        let Some(line) = shared.waiting.get(&place.client).filter(|line| line.holds(place.number)) else {
            drop(shared);
            return Err(self.too_soon(place.client, OTHERS_FIRST));
        };
        let is_next_of_client = line.is_next(place.number);
        match shared.next {
            Next::WhenTheOneUnderWayEnds => return Ok(Taken::OthersFirst),
            Next::At(due) if due > Instant::now() => return Ok(Taken::DueAt(due)),
            Next::Now | Next::At(_) => {}
        }
        if !is_next_of_client || shared.clients_before(&place.client) > 0 {
            return Ok(Taken::OthersFirst);
        }
        shared.next = Next::WhenTheOneUnderWayEnds;
        shared.change_line(&place.client, |line| line.take_turn(place.number));
        Ok(Taken::Turn)
    }

    /// Tells the client when to retry, which is when its turn comes, given the waiting clients. Its
    /// line has a free place then.
    fn too_soon(&self, client: Client, problem: &'static str) -> GatewayError {
        let shared = self.shared();
        let next = match shared.next {
            Next::Now => Duration::ZERO,
            Next::WhenTheOneUnderWayEnds => self.interval,
            Next::At(time) => time.saturating_duration_since(Instant::now()),
        };
        let others = u32::try_from(shared.clients_before(&client)).unwrap_or(u32::MAX);
        let wait = next.saturating_add(self.interval.saturating_mul(others));
        GatewayError::AttestationTooSoon { problem, retry_after_seconds: wait.as_secs().saturating_add(1) }
    }

    /// No panic under the lock can leave the state inconsistent.
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
    /// The lowest rank is next.
    fn rank(&self, client: &Client) -> u64 {
        self.without.get(client).copied().unwrap_or(u64::MAX)
    }

    /// The number of waiting clients with an earlier turn.
    fn clients_before(&self, client: &Client) -> usize {
        let rank = self.rank(client);
        self.waiting.keys().filter(|other| self.rank(other) < rank).count()
    }

    fn change_line(&mut self, client: &Client, change: impl FnOnce(&mut Line)) {
        let Some(line) = self.waiting.get_mut(client) else { return };
        change(line);
        if line.is_empty() {
            self.waiting.remove(client);
        }
    }

    /// Records it unless already known.
    fn wants_one_since(&mut self, client: Client, number: u64) {
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

    fn remember(&mut self, client: Client) {
        let number = self.event();
        self.without.remove(&client);
        self.wants_one_since(client, number);
    }
}

impl QuoteTurn {
    /// The quote is requested from here on.
    pub(super) fn spend(&mut self) {
        self.is_spent = true;
        self.quotes.shared().remember(self.client);
    }

    /// Returns the unused turn, with this reason.
    pub(super) fn give_back(self, problem: &'static str) -> GatewayError {
        let (quotes, client) = (Arc::clone(&self.quotes), self.client);
        drop(self);
        quotes.too_soon(client, problem)
    }

    /// Time since its client arrived.
    pub(super) fn waited(&self) -> Duration {
        self.came.elapsed()
    }
}

impl Drop for QuoteTurn {
    fn drop(&mut self) {
        let mut shared = self.quotes.shared();
        shared.next = if self.is_spent { Next::At(Instant::now() + self.quotes.interval) } else { Next::Now };
        drop(shared);
        self.quotes.changed.notify_waiters();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut shared = self.quotes.shared();
        shared.change_line(&self.client, |line| line.leave(self.number));
        drop(shared);
        self.quotes.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::line::PLACES;
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);

    fn quotes() -> Arc<Quotes> {
        Quotes::new(INTERVAL, Duration::from_secs(30))
    }

    fn client(number: u8) -> Client {
        Client::Address(IpAddr::from([192, 0, 2, number]))
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
    async fn the_next_quote_goes_to_the_client_without_one_for_longest() {
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
    async fn new_clients_come_behind_known_ones() {
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
    async fn a_client_that_shares_its_address_with_a_poller_gets_its_share_of_quotes() {
        let quotes = quotes();
        quote(&quotes, 1).await.unwrap();
        let pollers: Vec<_> = (0..2)
            .map(|_| {
                let quotes = Arc::clone(&quotes);
                tokio::spawn(async move {
                    loop {
                        if quote(&quotes, 1).await.is_err() {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    }
                })
            })
            .collect();
        let mut had = 0;
        for _ in 0..60 {
            had += usize::from(quote(&quotes, 1).await.is_ok());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        for poller in pollers {
            poller.abort();
        }
        // At least a third of the quotes, minus random variation.
        assert!(had >= 8, "{had} of 60");
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_requests_of_one_client_wait_and_others_are_told_when_to_retry() {
        let quotes = quotes();
        for known in [2, 1] {
            quote(&quotes, known).await.unwrap();
        }
        let other = waiting(&quotes, 2);
        until_waiting(&quotes, 1).await;
        let requests: Vec<_> = (0..20).map(|_| waiting(&quotes, 1)).collect();
        while requests.iter().filter(|request| request.is_finished()).count() < 20 - PLACES {
            tokio::task::yield_now().await;
        }
        let (refused, waiting): (Vec<_>, Vec<_>) = requests.into_iter().partition(tokio::task::JoinHandle::is_finished);
        assert_eq!(waiting.len(), PLACES);
        for refused in refused {
            let problem = refused.await.unwrap().unwrap_err();
            let GatewayError::AttestationTooSoon { retry_after_seconds, .. } = problem else { panic!("{problem}") };
            // The next quote is the other client's; an interval later it is this client's turn.
            assert_eq!(retry_after_seconds, 2 * INTERVAL.as_secs() + 1, "{problem}");
        }
        other.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_goes_to_the_client_without_a_quote_for_longer() {
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
        assert!(quote(&quotes, 101).await.unwrap_err().to_string().contains(&format!("{MAX_WAITING} clients")));
        known.abort();
        assert!(known.await.unwrap_err().is_cancelled());
        assert_eq!(quotes.shared().waiting.len(), MAX_WAITING - 1, "who hangs up has no place");
        drop(strangers);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unused_turn_goes_to_the_next_client_immediately() {
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
