//! While a dependency does not answer, those who need it are told so at once, and the log says so
//! once.
//!
//! The first call that waits for an answer in vain opens the breaker. From then on no call waits
//! for the dependency; a probe asks in the background until it answers, and closes the breaker. A
//! call that fails at once makes nobody wait: the breaker opens only if a probe fails as well, so
//! that one error of a server refuses nobody else. A leaf: whoever asks something over the network
//! uses it.

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

/// Between two probes.
const PAUSE: Duration = Duration::from_millis(500);
/// What fails within this time makes nobody wait.
const AT_ONCE: Duration = Duration::from_millis(200);

type Probe = Box<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// Knows whether one dependency answers.
pub struct Breaker {
    what: String,
    probe: Probe,
    state: Mutex<State>,
}

struct State {
    last_answer: Option<Instant>,
    outage: Option<Outage>,
    /// A call failed at once, and the probe that tells whether others do has not ended.
    is_doubted: bool,
}

/// The dependency does not answer, and was not asked again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{why}")]
pub struct Outage {
    /// Of the call that found out.
    why: String,
    since: Instant,
}

impl Breaker {
    /// For a dependency that is called `what` in the log. The probe asks it something cheap, within
    /// a timeout, and tells whether it answered; it must not hold the breaker itself.
    pub fn new<F: Future<Output = bool> + Send + 'static>(
        what: impl Into<String>,
        probe: impl Fn() -> F + Send + Sync + 'static,
    ) -> Arc<Self> {
        let state = Mutex::new(State { last_answer: None, outage: None, is_doubted: false });
        Arc::new(Self { what: what.into(), probe: Box::new(move || Box::pin(probe())), state })
    }

    /// Before each call: whether there is any use in it.
    ///
    /// # Errors
    /// [`Outage`] while the dependency does not answer.
    pub fn check(&self) -> Result<Instant, Outage> {
        match &self.state().outage {
            Some(outage) => Err(outage.clone()),
            None => Ok(Instant::now()),
        }
    }

    /// After a call that was answered, be it with a refusal.
    pub fn answered(&self) {
        self.state().last_answer = Some(Instant::now());
    }

    /// After a call that was not answered. Opens the breaker, unless another one that began later
    /// was answered: then this one was slow, and the dependency is there. For a call that failed at
    /// once, a probe has to fail as well.
    ///
    /// `begun` is what [`Self::check`] gave.
    pub fn failed(self: &Arc<Self>, begun: Instant, why: &str) {
        let mut state = self.state();
        if state.outage.is_some() || state.last_answer.is_some_and(|answer| answer > begun) {
            return;
        }
        if begun.elapsed() < AT_ONCE {
            if !std::mem::replace(&mut state.is_doubted, true) {
                tokio::spawn(confirm(Arc::downgrade(self), why.to_owned()));
            }
            return;
        }
        drop(state);
        self.open(why);
    }

    fn open(self: &Arc<Self>, why: &str) {
        let mut state = self.state();
        if state.outage.is_some() {
            return;
        }
        state.outage = Some(Outage { why: why.to_owned(), since: Instant::now() });
        drop(state);
        tracing::warn!("{} does not answer: {why}; what needs it is refused until it does", self.what);
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

    /// Nothing that is done under the lock can leave the state half changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the breaker for that reason if a probe fails now.
async fn confirm(breaker: Weak<Breaker>, why: String) {
    let answered = probe(&breaker).await;
    let Some(breaker) = breaker.upgrade() else { return };
    breaker.state().is_doubted = false;
    if matches!(answered, Ok(Some(true))) {
        breaker.answered();
    } else {
        breaker.open(&why);
    }
}

/// A task of its own: one that panics did not get an answer, and the next is sent all the same.
/// `None` when the breaker is gone.
async fn probe(breaker: &Weak<Breaker>) -> Result<Option<bool>, JoinError> {
    let asked = breaker.clone();
    let probing = async move {
        let asked = asked.upgrade().map(|breaker| (breaker.probe)())?;
        Some(asked.await)
    };
    tokio::spawn(probing).await
}

/// Ends with the breaker, too.
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
                // Once in an outage: a probe may panic each time.
                if !std::mem::replace(&mut has_panicked, true) {
                    tracing::error!(%error, "a probe panicked");
                }
            }
            // The breaker is gone, or the runtime.
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
    async fn nothing_waits_for_a_dependency_that_does_not_answer_and_a_probe_finds_out_when_it_does() {
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
        assert_eq!(dependency.probes.load(Ordering::SeqCst), probes, "it is not probed for nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_panics_is_followed_by_others() {
        let probes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&probes);
        let breaker = Breaker::new("it", move || {
            let probe = counted.fetch_add(1, Ordering::SeqCst);
            assert!(probe > 0, "the first does not even begin");
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
        sleep(Duration::from_millis(1)).await;
        assert_eq!(breaker.check().unwrap_err().to_string(), "connection refused");
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
