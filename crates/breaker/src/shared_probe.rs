//! A probe that may take long, for callers that cannot wait. All callers share one running probe,
//! and each gets an answer quickly: the outcome, or how long there has been no success. A probe may
//! queue behind real work: work that succeeds in the meantime proves as much.

use std::fmt::Display;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// Less than the second that most supervisors wait for a probe.
const PATIENCE: Duration = Duration::from_millis(700);

/// The result, with the error as text; `None` while the probe is running.
type Outcome = Option<Result<(), String>>;

/// Runs one probe at a time, shared by all callers and all clones.
#[derive(Clone, Debug, Default)]
pub struct SharedProbe(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    last: Option<watch::Receiver<Outcome>>,
    /// Start of the first probe after the last success; while a probe is running, the time of that
    /// success if it is later.
    unproven_since: Option<Instant>,
    /// The error of real work since the last success.
    failure: Option<String>,
    /// The outcome of the last probe, or of real work since, and its time.
    concluded: Option<(Instant, Result<(), String>)>,
}

/// The dependency could not be shown to work.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unproven {
    /// It failed.
    #[error("{0}")]
    Failed(String),
    /// A probe is running, and neither a probe nor real work has succeeded for this long.
    #[error("no success for {:.1} s", .0.as_secs_f64())]
    Silent(Duration),
}

impl SharedProbe {
    /// The outcome of the running probe, or of this one. The probe continues when no caller waits
    /// for it any longer.
    ///
    /// # Errors
    /// [`Unproven::Failed`]; [`Unproven::Silent`] after 700 ms without a
    /// [success](Self::succeeded).
    pub async fn outcome<F, E>(&self, probe: impl FnOnce() -> F) -> Result<(), Unproven>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        let mut answer = self.join(probe);
        match timeout(PATIENCE, answer.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or(Ok(())).map_err(Unproven::Failed),
            Ok(Err(_)) => Err(Unproven::Failed("the probe ended without a result".into())),
            Err(_) => match lock(&self.0).unproven_since.map(|since| since.elapsed()) {
                Some(silence) if silence >= PATIENCE => Err(Unproven::Silent(silence)),
                _ => Ok(()),
            },
        }
    }

    /// The same for frequent callers: reuses the outcome of a probe or of real work that is no
    /// older than `age`.
    ///
    /// # Errors
    /// Those of [`Self::outcome`].
    pub async fn recent_outcome<F, E>(&self, age: Duration, probe: impl FnOnce() -> F) -> Result<(), Unproven>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        let concluded = lock(&self.0).concluded.clone();
        match concluded.filter(|(at, _)| at.elapsed() < age) {
            Some((_, outcome)) => outcome.map_err(Unproven::Failed),
            None => self.outcome(probe).await,
        }
    }

    /// Called when real work equivalent to the probe has succeeded.
    pub fn succeeded(&self) {
        let mut state = lock(&self.0);
        state.concluded = Some((Instant::now(), Ok(())));
        state.unproven_since = state.under_way().map(|_| Instant::now());
        state.failure = None;
    }

    /// Called when real work has failed, possibly that of the probe itself, with a more precise
    /// error than the probe has.
    pub fn failed(&self, why: impl Display) {
        let (why, mut state) = (why.to_string(), lock(&self.0));
        state.concluded = Some((Instant::now(), Err(why.clone())));
        state.failure = Some(why);
    }

    fn join<F, E>(&self, probe: impl FnOnce() -> F) -> watch::Receiver<Outcome>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        let mut state = lock(&self.0);
        state.unproven_since.get_or_insert_with(Instant::now);
        if let Some(last) = state.under_way() {
            return last.clone();
        }
        let (told, answer) = watch::channel(None);
        state.last = Some(answer.clone());
        drop(state);
        let (probe, shared) = (probe(), Arc::clone(&self.0));
        tokio::spawn(async move {
            let outcome = probe.await;
            let mut state = lock(&shared);
            let outcome = outcome.map_err(|error| state.failure.clone().unwrap_or_else(|| error.to_string()));
            if outcome.is_ok() {
                (state.unproven_since, state.failure) = (None, None);
            }
            state.concluded = Some((Instant::now(), outcome.clone()));
            // Under the lock, so that later successes find no running probe.
            told.send_replace(Some(outcome));
        });
        answer
    }
}

impl State {
    /// A probe whose sender is gone has panicked.
    fn under_way(&self) -> Option<&watch::Receiver<Outcome>> {
        self.last.as_ref().filter(|last| last.borrow().is_none() && last.has_changed().is_ok())
    }
}

/// No panic under the lock can leave the state inconsistent.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn callers_share_a_probe_and_learn_how_long_it_is_silent() {
        let probe = SharedProbe::default();
        assert_eq!(probe.outcome(|| ready(Ok::<(), String>(()))).await, Ok(()));
        let (answer, answered) = oneshot::channel::<Result<(), String>>();
        let slow = || async move { answered.await.unwrap() };
        assert_eq!(probe.outcome(slow).await, Err(Unproven::Silent(PATIENCE)));
        tokio::time::sleep(Duration::from_secs(2)).await;
        let again = || -> std::future::Pending<Result<(), String>> { panic!("one is running") };
        let silent = probe.outcome(again).await.unwrap_err();
        assert_eq!(silent.to_string(), "no success for 3.4 s");
        answer.send(Err("database is locked".into())).unwrap();
        tokio::task::yield_now().await;
        // The next probe is a new one, with a longer silence.
        let silent = probe.outcome(pending::<Result<(), String>>).await.unwrap_err();
        assert_eq!(silent.to_string(), "no success for 4.1 s");
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_succeeds_while_the_probe_waits_proves_as_much() {
        let probe = SharedProbe::default();
        probe.succeeded();
        assert_eq!(probe.outcome(pending::<Result<(), String>>).await, Err(Unproven::Silent(PATIENCE)), "before it");
        let working = probe.clone();
        let work = tokio::spawn(async move {
            for _ in 0..10 {
                tokio::time::sleep(PATIENCE / 2).await;
                working.succeeded();
            }
        });
        for _ in 0..4 {
            assert_eq!(probe.outcome(pending::<Result<(), String>>).await, Ok(()));
        }
        work.await.unwrap();
        // Measured from the last success, not from the start of the probe.
        assert_eq!(probe.outcome(pending::<Result<(), String>>).await, Err(Unproven::Silent(PATIENCE)));
    }

    #[tokio::test(start_paused = true)]
    async fn many_callers_cost_one_probe_per_period() {
        let (probe, period) = (SharedProbe::default(), Duration::from_secs(1));
        let never = || -> std::future::Pending<Result<(), String>> { panic!("the last outcome will do") };
        let failed = probe.recent_outcome(period, || ready(Err("disk full"))).await;
        assert_eq!(failed, Err(Unproven::Failed("disk full".into())));
        assert_eq!(probe.recent_outcome(period, never).await, failed);
        probe.succeeded();
        assert_eq!(probe.recent_outcome(period, never).await, Ok(()));
        tokio::time::sleep(period).await;
        assert_eq!(probe.recent_outcome(period, || ready(Err("disk full"))).await, failed);
    }

    #[tokio::test]
    async fn a_failed_probe_says_why_and_a_panicked_one_is_repeated() {
        let probe = SharedProbe::default();
        let failed = probe.outcome(|| ready(Err("disk full"))).await;
        assert_eq!(failed, Err(Unproven::Failed("disk full".into())));
        probe.failed("no room on the disk");
        let failed = probe.outcome(|| ready(Err("the transaction failed"))).await;
        assert_eq!(failed, Err(Unproven::Failed("no room on the disk".into())));
        let broken = || async { if true { panic!("a test's") } else { Ok::<(), String>(()) } };
        assert_eq!(probe.outcome(broken).await, Err(Unproven::Failed("the probe ended without a result".into())));
        assert_eq!(probe.outcome(|| ready(Ok::<(), String>(()))).await, Ok(()));
    }
}
