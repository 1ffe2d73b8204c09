//! What several tasks need is said to fail once, by whoever notices first, and to work again once.

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

/// An outage, and the tasks that failed by it and have not worked since.
#[derive(Debug)]
struct Noticed {
    since: Instant,
    by: BTreeSet<String>,
}

impl OutageLog {
    /// Of a dependency that is called `what` in the log.
    #[must_use]
    pub fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into(), outage: Mutex::new(None) }
    }

    /// After a task failed by this dependency. A line when no other one did before.
    pub fn failed(&self, task: &str, why: impl Display) {
        if self.note_failure(task) {
            tracing::warn!("{} is failing: {why} (noticed by {task})", self.what);
        }
    }

    /// After a task that needs this dependency was done. A line when it was the last that had
    /// failed.
    pub fn worked(&self, task: &str) {
        if let Some(since) = self.note_success(task) {
            tracing::warn!("{} recovered after {} s", self.what, since.elapsed().as_secs());
        }
    }

    fn note_failure(&self, task: &str) -> bool {
        let mut outage = self.outage();
        let is_news = outage.is_none();
        outage.get_or_insert_with(|| Noticed { since: Instant::now(), by: BTreeSet::new() }).by.insert(task.to_owned());
        is_news
    }

    fn note_success(&self, task: &str) -> Option<Instant> {
        let mut outage = self.outage();
        let noticed = outage.as_mut()?;
        let was_last = noticed.by.remove(task) && noticed.by.is_empty();
        if was_last { outage.take().map(|noticed| noticed.since) } else { None }
    }

    /// Nothing that is done under the lock can leave the outage half changed.
    fn outage(&self) -> MutexGuard<'_, Option<Noticed>> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_of_once_when_it_begins_and_once_when_it_ends() {
        let log = OutageLog::new("it");
        assert!(log.note_success("one").is_none(), "nothing had failed");
        assert!(log.note_failure("one"));
        for task in ["one", "another", "one", "another"] {
            assert!(!log.note_failure(task), "{task}");
        }
        assert!(log.note_success("a third").is_none(), "it may not need what the others do");
        assert!(log.note_success("one").is_none());
        assert!(log.note_success("another").is_some());
        assert!(log.note_failure("another"), "the next one is told of again");
    }
}
