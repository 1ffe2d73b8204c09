//! Logs an outage shared by several tasks once, when the first task notices it, and once when it
//! ends.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// The log of one dependency's outages.
#[derive(Debug)]
pub struct OutageLog {
    what: Cow<'static, str>,
    outage: Mutex<Option<Noticed>>,
}

/// An outage, and the tasks that failed because of it and have not succeeded since.
#[derive(Debug)]
struct Noticed {
    since: Instant,
    by: BTreeSet<String>,
    is_final: bool,
}

impl Noticed {
    fn now() -> Self {
        Self { since: Instant::now(), by: BTreeSet::new(), is_final: false }
    }
}

impl OutageLog {
    /// Creates the log of a dependency called `what` in the messages.
    #[must_use]
    pub fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into(), outage: Mutex::new(None) }
    }

    /// Called after a task failed because of this dependency. Logs a line if no other task had
    /// failed.
    pub fn failed(&self, task: &str, why: impl Display) {
        if self.note_failure(task) {
            tracing::warn!("{} is failing: {why} (noticed by {task})", self.what);
        }
    }

    /// Called after a task that needs this dependency succeeded. Logs a line if it was the last
    /// task that had failed.
    pub fn worked(&self, task: &str) {
        if let Some(since) = self.note_success(task) {
            tracing::warn!("{} recovered after {} s", self.what, since.elapsed().as_secs());
        }
    }

    /// Called when the dependency failed in a way that does not end before the process does. Logs
    /// the last line of this log.
    pub fn failed_for_good(&self, why: impl Display) {
        if self.note_end() {
            tracing::error!("{} is failing for good: {why}", self.what);
        }
    }

    fn note_failure(&self, task: &str) -> bool {
        let mut outage = self.outage();
        let is_news = outage.is_none();
        outage.get_or_insert_with(Noticed::now).by.insert(task.to_owned());
        is_news
    }

    fn note_end(&self) -> bool {
        !std::mem::replace(&mut self.outage().get_or_insert_with(Noticed::now).is_final, true)
    }

    fn note_success(&self, task: &str) -> Option<Instant> {
        let mut outage = self.outage();
        let noticed = outage.as_mut()?;
        let was_last = noticed.by.remove(task) && noticed.by.is_empty() && !noticed.is_final;
        if was_last { outage.take().map(|noticed| noticed.since) } else { None }
    }

    /// No panic under the lock can leave the outage inconsistent.
    fn outage(&self) -> MutexGuard<'_, Option<Noticed>> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_logged_once_when_it_begins_and_once_when_it_ends() {
        let log = OutageLog::new("it");
        assert!(log.note_success("one").is_none(), "nothing had failed");
        assert!(log.note_failure("one"));
        for task in ["one", "another", "one", "another"] {
            assert!(!log.note_failure(task), "{task}");
        }
        assert!(log.note_success("a third").is_none(), "it may not need what the others do");
        assert!(log.note_success("one").is_none());
        assert!(log.note_success("another").is_some());
        assert!(log.note_failure("another"), "the next outage is logged again");
    }

    #[test]
    fn a_failure_for_good_is_logged_once_and_never_ends() {
        for has_failed_before in [true, false] {
            let log = OutageLog::new("it");
            assert!(!has_failed_before || log.note_failure("one"));
            assert!(log.note_end());
            assert!(!log.note_end());
            assert!(!log.note_failure("one"));
            assert!(log.note_success("one").is_none());
            assert!(!log.note_failure("another"));
        }
    }
}
