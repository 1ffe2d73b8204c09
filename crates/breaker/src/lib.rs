//! A circuit breaker: while a dependency does not answer, callers are refused immediately, and the
//! outage is logged once.
//!
//! The first call that times out opens the breaker. From then on no call waits for the dependency;
//! a background probe repeats until it is answered, and closes the breaker. A call that fails
//! immediately delays nobody: in that case the breaker opens only if a probe fails as well, and
//! again a moment later, so that a single server error does not refuse other callers. This crate
//! depends on no other of ours: any client of a network service can use it.

mod outage_log;
mod shared_probe;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use thiserror::Error;
use tokio::task::JoinError;
use tokio::time::{Instant, sleep};

pub use outage_log::OutageLog;
pub use shared_probe::{SharedProbe, Unproven};

/// Interval between two probes.
const PAUSE: Duration = Duration::from_millis(500);
/// A call that fails within this time delays nobody.
const AT_ONCE: Duration = Duration::from_millis(200);

type Probe = Box<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// Tracks whether one dependency answers.
pub struct Breaker {
    what: String,
    probe: Probe,
    state: Mutex<State>,
}

struct State {
    last_answer: Option<Instant>,
    outage: Option<Outage>,
    /// A call failed immediately, and the probe that checks whether others fail too is still
    /// running.
    is_doubted: bool,
}

/// The dependency does not answer, so the call was not made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{why}")]
pub struct Outage {
    /// The error of the call that detected the outage.
    why: String,
    since: Instant,
}

impl Breaker {
    /// Creates the breaker of a dependency called `what` in the log. The probe sends a cheap
    /// request with a timeout and returns whether it was answered; it must not hold the breaker
    /// itself.
    pub fn new<F: Future<Output = bool> + Send + 'static>(
        what: impl Into<String>,
        probe: impl Fn() -> F + Send + Sync + 'static,
    ) -> Arc<Self> {
        let state = Mutex::new(State { last_answer: None, outage: None, is_doubted: false });
        Arc::new(Self { what: what.into(), probe: Box::new(move || Box::pin(probe())), state })
    }

    /// Called before each request: whether to make it.
    ///
    /// # Errors
    /// [`Outage`] while the dependency does not answer.
    pub fn check(&self) -> Result<Instant, Outage> {
        match &self.state().outage {
            Some(outage) => Err(outage.clone()),
            None => Ok(Instant::now()),
        }
    }

    /// Called after a request that was answered, even with a refusal.
    pub fn answered(&self) {
        self.state().last_answer = Some(Instant::now());
    }

    /// Called after a request that was not answered. Opens the breaker, unless a request that began
    /// later was answered: then this one was merely slow. For a request that failed immediately, a
    /// probe has to fail as well.
    ///
    /// `begun` is the value returned by [`Self::check`].
    pub fn failed(self: &Arc<Self>, begun: Instant, why: &str) {
        if begun.elapsed() < AT_ONCE {
            return self.doubted(begun, why);
        }
        if self.is_news(begun) {
            self.open(why);
        }
    }

    /// The same for a request whose sender decides how much work it is, so that its failure alone
    /// says nothing about the dependency, however long it took: a probe has to fail as well.
    pub fn doubted(self: &Arc<Self>, begun: Instant, why: &str) {
        if self.is_news(begun) && !std::mem::replace(&mut self.state().is_doubted, true) {
            tokio::spawn(confirm(Arc::downgrade(self), why.to_owned()));
        }
    }

    /// Whether the failure of a request that began then may be the begin of an outage.
    fn is_news(&self, begun: Instant) -> bool {
        let state = self.state();
        state.outage.is_none() && state.last_answer.is_none_or(|answer| answer <= begun)
    }

    fn open(self: &Arc<Self>, why: &str) {
        let mut state = self.state();
        if state.outage.is_some() {
            return;
        }
        state.outage = Some(Outage { why: why.to_owned(), since: Instant::now() });
        drop(state);
        tracing::warn!("{} does not answer: {why}; requests that need it are refused until it recovers", self.what);
        tokio::spawn(probe_until_answered(Arc::downgrade(self)));
    }

    fn close(&self) {
        let mut state = self.state();
        state.last_answer = Some(Instant::now());
        if let Some(outage) = state.outage.take() {
            drop(state);
            tracing::warn!("{} answers again after {} s", self.what, outage.since.elapsed().as_secs());
        }
    }

    /// No panic under the lock can leave the state inconsistent.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the breaker with that error if a probe fails now. One that fails immediately is made once
/// more after a moment: a server, or a proxy before it, may refuse what comes at once with much
/// else.
async fn confirm(breaker: Weak<Breaker>, why: String) {
    let begun = Instant::now();
    let mut answered = probe(&breaker).await;
    if matches!(answered, Ok(Some(false))) && begun.elapsed() < AT_ONCE {
        sleep(AT_ONCE).await;
        answered = probe(&breaker).await;
    }
    let Some(breaker) = breaker.upgrade() else { return };
    breaker.state().is_doubted = false;
    if matches!(answered, Ok(Some(true))) {
        breaker.answered();
    } else {
        breaker.open(&why);
    }
}

/// Runs in its own task: a probe that panics counts as unanswered, and the next one still runs.
/// `None` if the breaker was dropped.
async fn probe(breaker: &Weak<Breaker>) -> Result<Option<bool>, JoinError> {
    let asked = breaker.clone();
    let probing = async move {
        let asked = asked.upgrade().map(|breaker| (breaker.probe)())?;
        Some(asked.await)
    };
    tokio::spawn(probing).await
}

/// Also ends when the breaker is dropped.
async fn probe_until_answered(breaker: Weak<Breaker>) {
    let mut has_panicked = false;
    loop {
        sleep(PAUSE).await;
        match probe(&breaker).await {
            Ok(Some(false)) => {}
            Ok(Some(true)) => {
                if let Some(breaker) = breaker.upgrade() {
                    breaker.close();
                }
                return;
            }
            Err(error) if error.is_panic() => {
                // Logged once per outage, since every probe may panic.
                if !std::mem::replace(&mut has_panicked, true) {
                    tracing::error!(%error, "a probe panicked");
                }
            }
            // The breaker was dropped, or the runtime is shutting down.
            Ok(None) | Err(_) => return,
        }
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker").field("what", &self.what).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    struct Dependency {
        answers: AtomicBool,
        probes: AtomicUsize,
    }

    fn breaker() -> (Arc<Breaker>, Arc<Dependency>) {
        let dependency = Arc::new(Dependency { answers: AtomicBool::new(false), probes: AtomicUsize::new(0) });
        let probed = Arc::clone(&dependency);
        let breaker = Breaker::new("it", move || {
            probed.probes.fetch_add(1, Ordering::SeqCst);
            let answers = probed.answers.load(Ordering::SeqCst);
            async move { answers }
        });
        (breaker, dependency)
    }

    #[tokio::test(start_paused = true)]
    async fn no_call_waits_during_an_outage_and_a_probe_detects_its_end() {
        let (breaker, dependency) = breaker();
        let begun = breaker.check().unwrap();
        sleep(AT_ONCE).await;
        breaker.failed(begun, "no answer in time");
        assert_eq!(breaker.check().unwrap_err().to_string(), "no answer in time");

        sleep(PAUSE * 4).await;
        assert!(breaker.check().is_err());
        assert!(dependency.probes.load(Ordering::SeqCst) >= 3);
        dependency.answers.store(true, Ordering::SeqCst);
        sleep(PAUSE * 2).await;
        assert!(breaker.check().is_ok());
        let probes = dependency.probes.load(Ordering::SeqCst);
        sleep(PAUSE * 4).await;
        assert_eq!(dependency.probes.load(Ordering::SeqCst), probes, "it is not probed needlessly");
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_panics_is_followed_by_others() {
        let probes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&probes);
        let breaker = Breaker::new("it", move || {
            let probe = counted.fetch_add(1, Ordering::SeqCst);
            assert!(probe > 0, "the first panics before it starts");
            async move {
                assert!(probe > 1, "the second ends early");
                true
            }
        });
        let begun = breaker.check().unwrap();
        sleep(AT_ONCE).await;
        breaker.failed(begun, "no answer in time");
        sleep(PAUSE * 8).await;
        assert_eq!((breaker.check().is_ok(), probes.load(Ordering::SeqCst)), (true, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_fails_at_once_opens_it_only_if_a_probe_fails_too() {
        let (breaker, dependency) = breaker();
        dependency.answers.store(true, Ordering::SeqCst);
        for _ in 0..10 {
            breaker.failed(breaker.check().unwrap(), "HTTP status 502");
        }
        sleep(Duration::from_millis(1)).await;
        assert!(breaker.check().is_ok());
        assert_eq!(dependency.probes.load(Ordering::SeqCst), 1, "one for all of them");
        dependency.answers.store(false, Ordering::SeqCst);
        breaker.failed(breaker.check().unwrap(), "connection refused");
        sleep(AT_ONCE * 2).await;
        assert_eq!(breaker.check().unwrap_err().to_string(), "connection refused");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_for_a_moment_opens_nothing() {
        let (breaker, dependency) = breaker();
        for _ in 0..3 {
            dependency.answers.store(false, Ordering::SeqCst);
            breaker.failed(breaker.check().unwrap(), "HTTP status 503");
            sleep(AT_ONCE / 2).await;
            assert!(breaker.check().is_ok());
            dependency.answers.store(true, Ordering::SeqCst);
            sleep(AT_ONCE * 2).await;
            assert!(breaker.check().is_ok());
        }
        assert_eq!(dependency.probes.load(Ordering::SeqCst), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_call_of_anyone_opens_it_only_if_a_probe_fails_too() {
        let (breaker, dependency) = breaker();
        dependency.answers.store(true, Ordering::SeqCst);
        for _ in 0..10 {
            let begun = breaker.check().unwrap();
            sleep(AT_ONCE * 2).await;
            breaker.doubted(begun, "no answer in time");
        }
        sleep(Duration::from_millis(1)).await;
        assert!(breaker.check().is_ok());
        dependency.answers.store(false, Ordering::SeqCst);
        let begun = breaker.check().unwrap();
        sleep(AT_ONCE * 2).await;
        breaker.doubted(begun, "no answer in time");
        sleep(AT_ONCE * 2).await;
        assert_eq!(breaker.check().unwrap_err().to_string(), "no answer in time");
    }

    #[tokio::test(start_paused = true)]
    async fn one_slow_call_among_answered_ones_is_no_outage() {
        let (breaker, _) = breaker();
        let slow = breaker.check().unwrap();
        sleep(PAUSE).await;
        breaker.answered();
        breaker.failed(slow, "no answer in time");
        assert!(breaker.check().is_ok());
        let late = breaker.check().unwrap();
        sleep(PAUSE).await;
        breaker.failed(late, "no answer in time");
        assert!(breaker.check().is_err());
    }
}
