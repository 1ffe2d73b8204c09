//! A probe that may take long, for those who can't wait: one is under way at a time, whoever asks,
//! and each is told within a moment what came of it, or since when nothing has. A probe may queue
//! behind real work: work that succeeds meanwhile proves as much.

use std::fmt::Display;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// Below the second that most supervisors wait for a probe.
const PATIENCE: Duration = Duration::from_millis(700);

/// Whether it worked, in words if not; `None` while it is under way.
type Outcome = Option<Result<(), String>>;

/// Has one probe at a time made, for all who ask. All clones are one.
#[derive(Clone, Debug, Default)]
pub struct SharedProbe(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    last: Option<watch::Receiver<Outcome>>,
    /// When the first probe began after the last success; while one is under way, that success if
    /// it is later.
    unproven_since: Option<Instant>,
    /// Of real work since the last success.
    failure: Option<String>,
    /// What came of the last probe, or of real work since, and when.
    concluded: Option<(Instant, Result<(), String>)>,
}

/// Nobody can say that it works.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unproven {
    /// It failed.
    #[error("{0}")]
    Failed(String),
    /// A probe is under way, and neither a probe nor real work has succeeded for so long.
    #[error("no success for {:.1} s", .0.as_secs_f64())]
    Silent(Duration),
}

impl SharedProbe {
    /// What came of the probe that is under way, or of this one. It continues when no caller waits
    /// for it any longer.
    ///
    /// # Errors
    /// [`Unproven::Failed`]; [`Unproven::Silent`] after 700 ms in which nothing
    /// [succeeded](Self::succeeded).
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

    /// The same for whoever asks, however often: what came of a probe or of real work no longer ago
    /// than that will do.
    ///
    /// # Errors
    /// As of [`Self::outcome`].
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

    /// Real work that does what the probe does has succeeded.
    pub fn succeeded(&self) {
        let mut state = lock(&self.0);
        state.concluded = Some((Instant::now(), Ok(())));
        state.unproven_since = state.under_way().map(|_| Instant::now());
        state.failure = None;
    }

    /// Real work has failed, perhaps that of the probe itself: why, in better words than the probe
    /// has.
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
            // Under the lock: what succeeds from here on finds no probe under way.
            told.send_replace(Some(outcome));
        });
        answer
    }
}

impl State {
    /// One whose sender is gone panicked.
    fn under_way(&self) -> Option<&watch::Receiver<Outcome>> {
        self.last.as_ref().filter(|last| last.borrow().is_none() && last.has_changed().is_ok())
    }
}

/// Nothing that is done under the lock can leave it half changed.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_share_a_probe_and_are_told_since_when_it_is_silent() {
        let probe = SharedProbe::default();
        assert_eq!(probe.outcome(|| ready(Ok::<(), String>(()))).await, Ok(()));
        let (answer, answered) = oneshot::channel::<Result<(), String>>();
        let slow = || async move { answered.await.unwrap() };
        assert_eq!(probe.outcome(slow).await, Err(Unproven::Silent(PATIENCE)));
        tokio::time::sleep(Duration::from_secs(2)).await;
        let again = || -> std::future::Pending<Result<(), String>> { panic!("one is under way") };
        let silent = probe.outcome(again).await.unwrap_err();
        assert_eq!(silent.to_string(), "no success for 3.4 s");
        answer.send(Err("database is locked".into())).unwrap();
        tokio::task::yield_now().await;
        // The next one is a new one, and silent for longer.
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
        // Since the last success, not since the probe began.
        assert_eq!(probe.outcome(pending::<Result<(), String>>).await, Err(Unproven::Silent(PATIENCE)));
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_cost_one_probe_in_each_period() {
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
    async fn a_probe_that_fails_says_why_and_one_that_panics_is_made_again() {
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
