//! Limits on simulating factories on the node. A factory is untrusted code and may take any time:
//! only a few run at once, fewer for each asker, and one that recently took too long is not run
//! again. Servers have places of their own, and askers that use much of the node's time share a
//! few, so that they delay nobody else. Slow servers also take what the others leave free, but for
//! one place of each kind: if the node itself is slow, all servers are.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alloy_primitives::{B256, Keccak256};
use proto::Address;
use serve::PerKey;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::clients::Asker;

/// Maximum number of factories that the node runs for us at once.
const MOST: usize = MOST_OF_STRANGERS + MOST_OF_SERVERS + MOST_OF_SLOW_STRANGERS + MOST_OF_SLOW_SERVERS;
/// The part of these for anyone without much recent use.
const MOST_OF_STRANGERS: usize = 3;
/// For servers only, without a recent slow call.
const MOST_OF_SERVERS: usize = 2;
/// For all other strangers.
const MOST_OF_SLOW_STRANGERS: usize = 2;
/// For all other servers.
const MOST_OF_SLOW_SERVERS: usize = 1;
/// The part of either for the operations of one caller.
const MOST_OF_ONE: usize = MOST / 4;
/// The fraction of a node's timeout above which a call makes its asker slow.
const SLOW: u32 = 4;
/// How long the time that an asker used counts.
const USE_COUNTS_FOR: Duration = Duration::from_secs(60);
/// How long a call that took too long is not repeated.
const SLOW_FOR: Duration = Duration::from_secs(5);
/// Maximum number of remembered slow calls, and of remembered askers. If the limit is reached with
/// recent entries only, all are dropped: that is rare, and simpler than an eviction policy.
const MOST_NOTED: usize = 1024;

/// The places at the node, and their users.
#[derive(Debug)]
pub(super) struct Simulations {
    of_strangers: Arc<Semaphore>,
    of_servers: Arc<Semaphore>,
    of_slow_strangers: Arc<Semaphore>,
    of_slow_servers: Arc<Semaphore>,
    /// How long the node takes for a call at most.
    patience: Duration,
    askers: PerKey<Asker, Semaphore>,
    recent: Mutex<Recent>,
}

/// Slow calls, and what askers used.
#[derive(Debug, Default)]
struct Recent {
    slow_calls: HashMap<SimulatedCall, Instant>,
    askers: HashMap<Asker, Use>,
}

/// Use of the node by an asker.
#[derive(Clone, Copy, Debug)]
struct Use {
    since: Instant,
    longest: Duration,
    total: Duration,
}

impl Use {
    fn none() -> Self {
        Self { since: Instant::now(), longest: Duration::ZERO, total: Duration::ZERO }
    }

    fn is_recent(&self) -> bool {
        self.since.elapsed() < USE_COUNTS_FOR
    }
}

/// A place, to be held until the node is done. When dropped, it is released, and the time that it
/// was held is recorded.
#[derive(Debug)]
pub(super) struct Place {
    simulations: Arc<Simulations>,
    asker: Asker,
    begun: Instant,
    _of_asker: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.simulations.note_use(&self.asker, self.begun.elapsed());
    }
}

/// A factory call: factory, data and EntryPoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SimulatedCall(B256);

impl SimulatedCall {
    pub(super) fn of(entry_point: Address, factory: Address, data: &[u8]) -> Self {
        let mut hash = Keccak256::new();
        [&entry_point.0[..], &factory.0, data].iter().for_each(|part| hash.update(part));
        Self(hash.finalize())
    }
}

impl Simulations {
    /// For a node that is given that long for a call.
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            of_strangers: Arc::new(Semaphore::new(MOST_OF_STRANGERS)),
            of_servers: Arc::new(Semaphore::new(MOST_OF_SERVERS)),
            of_slow_strangers: Arc::new(Semaphore::new(MOST_OF_SLOW_STRANGERS)),
            of_slow_servers: Arc::new(Semaphore::new(MOST_OF_SLOW_SERVERS)),
            patience,
            askers: PerKey::default(),
            recent: Mutex::default(),
        }
    }

    /// `None` if there is no place within that time, or the call took too long recently.
    pub(super) async fn place(self: &Arc<Self>, call: SimulatedCall, asker: &Asker, within: Duration) -> Option<Place> {
        if self.is_slow(call, Instant::now()) {
            return None;
        }
        let waiting = async {
            let of_one = self.askers.of_or(asker.clone(), || Semaphore::new(MOST_OF_ONE));
            let of_asker = of_one.acquire_owned().await.ok()?;
            let of_all = self.place_of_all(asker).await?;
            let (simulations, asker, begun) = (Arc::clone(self), asker.clone(), Instant::now());
            Some(Place { simulations, asker, begun, _of_asker: of_asker, _of_all: of_all })
        };
        // It may have been run while this one waited.
        timeout(within, waiting).await.ok()?.filter(|_| !self.is_slow(call, Instant::now()))
    }

    async fn place_of_all(&self, asker: &Asker) -> Option<OwnedSemaphorePermit> {
        let (free, places) = match (asker, self.is_slow_asker(asker)) {
            (Asker::Stranger(_), true) => (None, &self.of_slow_strangers),
            (Asker::Stranger(_), false) => (None, &self.of_strangers),
            (Asker::Server(_), true) => (self.spare(), &self.of_slow_servers),
            (Asker::Server(_), false) => (Arc::clone(&self.of_strangers).try_acquire_owned().ok(), &self.of_servers),
        };
        match free {
            Some(free) => Some(free),
            None => Arc::clone(places).acquire_owned().await.ok(),
        }
    }

    /// A place for a slow server, without waiting: one of these, or one that the others leave free
    /// beside another.
    fn spare(&self) -> Option<OwnedSemaphorePermit> {
        let beside_another = |places: &Arc<Semaphore>| {
            let mut two = Arc::clone(places).try_acquire_many_owned(2).ok()?;
            two.split(1)
        };
        let own = Arc::clone(&self.of_slow_servers).try_acquire_owned().ok();
        own.or_else(|| beside_another(&self.of_servers)).or_else(|| beside_another(&self.of_strangers))
    }

    /// Records a call that took too long.
    pub(super) fn note_slow(&self, call: SimulatedCall) {
        note(&mut self.recent().slow_calls, call, Instant::now(), |since| since.elapsed() < SLOW_FOR);
    }

    /// Records the time that a call took at the node.
    fn note_use(&self, asker: &Asker, took: Duration) {
        let mut recent = self.recent();
        let used = recent.askers.get(asker).filter(|used| used.is_recent()).copied();
        let Use { since, longest, total } = used.unwrap_or_else(Use::none);
        let used = Use { since, longest: longest.max(took), total: total.saturating_add(took) };
        note(&mut recent.askers, asker.clone(), used, Use::is_recent);
    }

    fn is_slow(&self, call: SimulatedCall, now: Instant) -> bool {
        self.recent().slow_calls.get(&call).is_some_and(|since| now.duration_since(*since) < SLOW_FOR)
    }

    /// Servers ask for many users, so only a single call can make one slow.
    fn is_slow_asker(&self, asker: &Asker) -> bool {
        self.recent().askers.get(asker).is_some_and(|used| {
            let is_long = matches!(asker, Asker::Stranger(_)) && used.total > self.patience;
            used.is_recent() && (is_long || used.longest > self.patience / SLOW)
        })
    }

    /// No panic under the lock can leave the state inconsistent.
    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note<K: Eq + Hash, V>(noted: &mut HashMap<K, V>, key: K, value: V, counts: impl Fn(&V) -> bool) {
    if noted.len() >= MOST_NOTED && !noted.contains_key(&key) {
        noted.retain(|_, value| counts(value));
        if noted.len() >= MOST_NOTED {
            noted.clear();
        }
    }
    noted.insert(key, value);
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use serve::Client;

    use super::*;
    use crate::clients::{ApiKeyId, KeyHash};

    const AT_ONCE: Duration = Duration::ZERO;
    const PATIENCE: Duration = Duration::from_secs(1);
    const MOMENT: Duration = Duration::from_millis(1);

    fn stranger(number: u8) -> Asker {
        Asker::Stranger(Client::Address(IpAddr::from([192, 0, 2, number])))
    }

    fn server(id: &str) -> Asker {
        Asker::Server(ApiKeyId::of_hash(&KeyHash::of(id.as_bytes())))
    }

    fn call(data: &[u8]) -> SimulatedCall {
        SimulatedCall::of(Address([1; 20]), Address([2; 20]), data)
    }

    #[tokio::test]
    async fn one_asker_has_a_quarter_of_the_places_and_others_theirs() {
        let simulations = Arc::new(Simulations::new(PATIENCE));
        let mut taken = Vec::new();
        for (number, has_places) in [(0, [true, true, false]), (1, [true, false, false])] {
            for (count, has_place) in (0..).zip(has_places) {
                let place = simulations.place(call(&[number, count]), &stranger(number), AT_ONCE).await;
                assert_eq!(place.is_some(), has_place, "{count} of {number}");
                taken.extend(place);
            }
        }
        assert!(simulations.place(call(b"none is left"), &stranger(9), AT_ONCE).await.is_none());
        taken.pop();
        assert!(simulations.place(call(b"given back"), &stranger(9), AT_ONCE).await.is_some());
    }

    #[tokio::test]
    async fn slow_askers_share_few_places_and_leave_the_others_to_the_rest() {
        let simulations = Arc::new(Simulations::new(PATIENCE));
        let servers = || (0..20).map(|number| server(&format!("server {number}")));
        for asker in (0..20).map(stranger).chain(servers()) {
            simulations.note_use(&asker, PATIENCE / SLOW + MOMENT);
        }
        let _of_slow_strangers = places(&simulations, (0..20).map(stranger)).await;
        let of_strangers = places(&simulations, (20..40).map(stranger)).await;
        assert_eq!(of_strangers.len(), MOST_OF_STRANGERS);
        let of_slow_servers = places(&simulations, servers()).await;
        assert_eq!(of_slow_servers.len(), MOST_OF_SLOW_SERVERS + MOST_OF_SERVERS - 1);
        assert!(simulations.place(call(b"a fast one"), &server("fast"), AT_ONCE).await.is_some());
    }

    #[tokio::test]
    async fn slow_servers_use_the_places_that_others_leave_free_but_for_one_of_each() {
        let simulations = Arc::new(Simulations::new(PATIENCE));
        let servers = || (0..20).map(|number| server(&format!("server {number}")));
        servers().for_each(|asker| simulations.note_use(&asker, PATIENCE / SLOW + MOMENT));
        let of_slow = places(&simulations, servers()).await;
        assert_eq!(of_slow.len(), MOST_OF_SLOW_SERVERS + MOST_OF_SERVERS - 1 + MOST_OF_STRANGERS - 1);
        for asker in [server("fast"), stranger(1)] {
            assert!(simulations.place(call(b"fast"), &asker, AT_ONCE).await.is_some(), "{asker:?}");
        }
    }

    #[tokio::test]
    async fn a_long_call_makes_its_asker_slow_and_many_short_ones_a_stranger() {
        let simulations = Arc::new(Simulations::new(PATIENCE));
        for (count, is_slow) in (1..=5).map(|count| (count, count > SLOW)) {
            for asker in [stranger(1), server("one")] {
                simulations.note_use(&asker, PATIENCE / SLOW);
                let is_stranger = matches!(asker, Asker::Stranger(_));
                assert_eq!(simulations.is_slow_asker(&asker), is_slow && is_stranger, "{asker:?} after {count}");
            }
        }
        simulations.note_use(&server("one"), PATIENCE / SLOW + MOMENT);
        simulations.note_use(&server("one"), MOMENT);
        assert!(simulations.is_slow_asker(&server("one")) && !simulations.is_slow_asker(&server("another")));
    }

    #[tokio::test]
    async fn strangers_leave_servers_places_of_their_own() {
        let simulations = Arc::new(Simulations::new(PATIENCE));
        let _of_strangers = places(&simulations, (0..20).map(stranger)).await;
        let of_servers = places(&simulations, ["one", "another", "one more"].map(server)).await;
        assert_eq!(of_servers.len(), MOST_OF_SERVERS);
    }

    #[tokio::test]
    async fn servers_use_the_places_that_strangers_leave_free() {
        let simulations = Arc::new(Simulations::new(PATIENCE));
        let servers = (0..20).map(|number| server(&format!("server {number}")));
        let _of_servers = places(&simulations, servers).await;
        assert!(simulations.place(call(b"none is left"), &stranger(1), AT_ONCE).await.is_none());
    }

    #[tokio::test]
    async fn the_time_that_a_place_was_held_counts() {
        let simulations = Arc::new(Simulations::new(SLOW * MOMENT));
        let place = simulations.place(call(b"slow"), &stranger(1), AT_ONCE).await;
        tokio::time::sleep(2 * MOMENT).await;
        assert!(!simulations.is_slow_asker(&stranger(1)));
        drop(place);
        assert!(simulations.is_slow_asker(&stranger(1)));
    }

    async fn places(simulations: &Arc<Simulations>, askers: impl IntoIterator<Item = Asker>) -> Vec<Place> {
        let mut taken = Vec::new();
        for (number, asker) in askers.into_iter().enumerate() {
            taken.extend(simulations.place(call(&number.to_be_bytes()), &asker, AT_ONCE).await);
        }
        taken
    }

    #[tokio::test]
    async fn a_call_that_took_too_long_is_not_made_again_for_a_moment() {
        let simulations = Arc::new(Simulations::new(PATIENCE));
        simulations.note_slow(call(b"slow"));
        assert!(simulations.place(call(b"slow"), &stranger(1), AT_ONCE).await.is_none());
        assert!(simulations.place(call(b"other"), &stranger(1), AT_ONCE).await.is_some());
        assert!(!simulations.is_slow(call(b"slow"), Instant::now() + SLOW_FOR));
    }

    #[tokio::test]
    async fn a_caller_that_waited_while_the_same_call_took_too_long_does_not_make_it_either() {
        let simulations = Arc::new(Simulations::new(PATIENCE));
        let (first, _second) = (
            simulations.place(call(b"slow"), &stranger(1), AT_ONCE).await,
            simulations.place(call(b"slow"), &stranger(1), AT_ONCE).await,
        );
        let asker = stranger(1);
        let waiting = simulations.place(call(b"slow"), &asker, Duration::from_secs(60));
        let noting = async {
            simulations.note_slow(call(b"slow"));
            drop(first);
        };
        assert!(tokio::join!(waiting, noting).0.is_none());
    }

    #[test]
    fn however_many_ask_few_are_remembered() {
        let simulations = Arc::new(Simulations::new(PATIENCE));
        for number in 0..5_000_u32 {
            let address = Client::Address(IpAddr::from(number.to_be_bytes()));
            simulations.note_slow(call(&number.to_be_bytes()));
            simulations.note_use(&Asker::Stranger(address), MOMENT);
        }
        let Recent { slow_calls, askers } = &*simulations.recent();
        assert!(slow_calls.len() <= MOST_NOTED && askers.len() <= MOST_NOTED);
    }
}
