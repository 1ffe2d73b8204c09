//! Limits on simulating factories on the node. A factory is untrusted code and may take any time:
//! only a few run at once, fewer for each asker, and one that recently took too long is not run
//! again. Askers of slow calls share a few places among themselves, and leave the rest to others.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use alloy_primitives::{B256, Keccak256};
use proto::Address;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::clients::Asker;

/// Maximum number of factories that the node runs for us at once.
const MOST: usize = MOST_OF_QUICK + MOST_OF_SLOW;
/// The part of these for callers without a recent slow call.
const MOST_OF_QUICK: usize = 6;
/// For all other askers, with a recent slow call.
const MOST_OF_SLOW: usize = 2;
/// The part of either for the operations of one caller.
const MOST_OF_ONE: usize = MOST / 4;
/// How long an asker counts as slow after a call that took too long.
const SLOW_ASKER_FOR: Duration = Duration::from_secs(60);
/// How long a call that took too long is not repeated.
const SLOW_FOR: Duration = Duration::from_secs(5);
/// Maximum number of remembered calls, and of remembered askers. If the limit is reached with
/// recent entries only, all are dropped: that is rare, and simpler than an eviction policy.
const MOST_SLOW: usize = 1024;
/// Below this many askers nothing is cleaned up.
const TIDY_ABOVE: usize = 1024;

/// The places at the node, and their users.
#[derive(Debug)]
pub(super) struct Simulations {
    of_quick: Arc<Semaphore>,
    of_slow: Arc<Semaphore>,
    askers: Mutex<HashMap<Asker, Weak<Semaphore>>>,
    slow: Mutex<Slow>,
}

/// Slow calls and askers, with their times.
#[derive(Debug, Default)]
struct Slow {
    calls: HashMap<SimulatedCall, Instant>,
    askers: HashMap<Asker, Instant>,
}

/// A place, released when dropped.
#[derive(Debug)]
pub(super) struct Place {
    _of_asker: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
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
    pub(super) fn new() -> Self {
        Self {
            of_quick: Arc::new(Semaphore::new(MOST_OF_QUICK)),
            of_slow: Arc::new(Semaphore::new(MOST_OF_SLOW)),
            askers: Mutex::default(),
            slow: Mutex::default(),
        }
    }

    /// `None` if there is no place within that time, or the call took too long recently.
    pub(super) async fn place(&self, call: SimulatedCall, asker: &Asker, within: Duration) -> Option<Place> {
        if self.is_slow(call, Instant::now()) {
            return None;
        }
        let waiting = async {
            let of_asker = self.of(asker).acquire_owned().await.ok()?;
            let places = if self.is_slow_asker(asker) { &self.of_slow } else { &self.of_quick };
            let of_all = Arc::clone(places).acquire_owned().await.ok()?;
            Some(Place { _of_asker: of_asker, _of_all: of_all })
        };
        // It may have been run while this one waited.
        timeout(within, waiting).await.ok()?.filter(|_| !self.is_slow(call, Instant::now()))
    }

    /// Records a call that took too long, and its asker.
    pub(super) fn note_slow(&self, call: SimulatedCall, asker: &Asker) {
        let mut slow = self.slow();
        note(&mut slow.calls, call, SLOW_FOR);
        note(&mut slow.askers, asker.clone(), SLOW_ASKER_FOR);
    }

    /// Records the asker of a call that was slow, but answered.
    pub(super) fn note_slow_asker(&self, asker: &Asker) {
        note(&mut self.slow().askers, asker.clone(), SLOW_ASKER_FOR);
    }

    fn is_slow(&self, call: SimulatedCall, now: Instant) -> bool {
        self.slow().calls.get(&call).is_some_and(|since| now.duration_since(*since) < SLOW_FOR)
    }

    fn is_slow_asker(&self, asker: &Asker) -> bool {
        self.slow().askers.get(asker).is_some_and(|since| since.elapsed() < SLOW_ASKER_FOR)
    }

    fn of(&self, asker: &Asker) -> Arc<Semaphore> {
        let mut askers = self.askers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = askers.get(asker).and_then(Weak::upgrade) {
            return places;
        }
        if askers.len() >= TIDY_ABOVE && askers.len().is_power_of_two() {
            askers.retain(|_, places| places.strong_count() > 0);
        }
        let places = Arc::new(Semaphore::new(MOST_OF_ONE));
        askers.insert(asker.clone(), Arc::downgrade(&places));
        places
    }

    /// No panic under the lock can leave the state inconsistent.
    fn slow(&self) -> MutexGuard<'_, Slow> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note<K: Eq + Hash>(slow: &mut HashMap<K, Instant>, key: K, lasts: Duration) {
    if slow.len() >= MOST_SLOW {
        slow.retain(|_, since| since.elapsed() < lasts);
    }
    if slow.len() >= MOST_SLOW {
        slow.clear();
    }
    slow.insert(key, Instant::now());
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use serve::Client;

    use super::*;

    const AT_ONCE: Duration = Duration::ZERO;

    fn stranger(number: u8) -> Asker {
        Asker::Stranger(Client::Address(IpAddr::from([192, 0, 2, number])))
    }

    fn call(data: &[u8]) -> SimulatedCall {
        SimulatedCall::of(Address([1; 20]), Address([2; 20]), data)
    }

    #[tokio::test]
    async fn one_asker_has_a_quarter_of_the_places_and_others_theirs() {
        let simulations = Simulations::new();
        let mut taken = Vec::new();
        for number in 0..3 {
            for (count, has_place) in [(0, true), (1, true), (2, false)] {
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
    async fn askers_of_slow_calls_share_two_places_and_leave_the_others_to_the_rest() {
        let simulations = Simulations::new();
        for number in 0..20 {
            simulations.note_slow(call(&[number]), &stranger(number));
        }
        let mut taken = Vec::new();
        for number in 0..20 {
            taken.extend(simulations.place(call(&[number, 1]), &stranger(number), AT_ONCE).await);
        }
        assert_eq!(taken.len(), MOST_OF_SLOW);
        for number in 20..23 {
            for count in 0..2 {
                taken.extend(simulations.place(call(&[number, count]), &stranger(number), AT_ONCE).await);
            }
        }
        assert_eq!(taken.len(), MOST);
    }

    #[tokio::test]
    async fn a_call_that_took_too_long_is_not_made_again_for_a_moment() {
        let simulations = Simulations::new();
        simulations.note_slow(call(b"slow"), &stranger(9));
        assert!(simulations.place(call(b"slow"), &stranger(1), AT_ONCE).await.is_none());
        assert!(simulations.place(call(b"other"), &stranger(1), AT_ONCE).await.is_some());
        assert!(!simulations.is_slow(call(b"slow"), Instant::now() + SLOW_FOR));
    }

    #[tokio::test]
    async fn a_caller_that_waited_while_the_same_call_took_too_long_does_not_make_it_either() {
        let simulations = Arc::new(Simulations::new());
        let (first, _second) = (
            simulations.place(call(b"slow"), &stranger(1), AT_ONCE).await,
            simulations.place(call(b"slow"), &stranger(1), AT_ONCE).await,
        );
        let asker = stranger(1);
        let waiting = simulations.place(call(b"slow"), &asker, Duration::from_secs(60));
        let noting = async {
            simulations.note_slow(call(b"slow"), &stranger(9));
            drop(first);
        };
        assert!(tokio::join!(waiting, noting).0.is_none());
    }

    #[test]
    fn however_many_ask_few_are_remembered() {
        let simulations = Simulations::new();
        for number in 0..5_000_u32 {
            let address = Client::Address(IpAddr::from(number.to_be_bytes()));
            simulations.of(&Asker::Stranger(address));
            simulations.note_slow(call(&number.to_be_bytes()), &Asker::Stranger(address));
        }
        let askers = simulations.askers.lock().unwrap_or_else(PoisonError::into_inner).len();
        assert!(askers <= TIDY_ABOVE && simulations.slow().askers.len() <= MOST_SLOW, "{askers}");
    }
}
