//! Recurring work: its times, and its failures in the log: a line when one begins or changes, a
//! line when it ends, and none in between. Outages of shared dependencies are logged once for all
//! work.

use std::time::Duration;

use breaker::OutageLog;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::chain::ChainError;
use crate::error::RelayError;

/// The times of recurring work. Rounds that a slow one made late are not made up for: a node or
/// database that has just recovered would get all of them at once.
pub(crate) fn rounds(every: Duration) -> Interval {
    let mut rounds = interval(every);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    rounds
}

/// The last logged state of recurring work.
pub(crate) struct Outage {
    work: String,
    said: Option<String>,
}

/// The outage logs of the work's dependencies.
#[derive(Clone, Copy)]
pub(crate) struct Needs<'a> {
    /// For a node that answers, but incorrectly; `None` for work that needs no chain.
    pub(crate) chain: Option<&'a OutageLog>,
    pub(crate) store: &'a OutageLog,
}

impl Outage {
    pub(crate) fn new(work: impl Into<String>) -> Self {
        Self { work: work.into(), said: None }
    }

    /// Called after every round of the work.
    pub(crate) fn note<T>(&mut self, outcome: Result<T, RelayError>, needs: Needs<'_>) {
        // Claims may be in the same database.
        if !matches!(outcome, Err(RelayError::StoreUnavailable(_) | RelayError::ClaimsUnavailable(_))) {
            needs.store.worked(&self.work);
        }
        let Err(error) = outcome else {
            if let Some(chain) = needs.chain {
                chain.worked(&self.work);
            }
            return self.note_problem(None);
        };
        match (&error, needs.chain) {
            // An unreachable chain is logged separately, and so are claims: with Redis, or with the
            // database.
            (RelayError::ChainUnavailable(ChainError::Unreachable { .. }) | RelayError::ClaimsUnavailable(_), _) => {}
            (RelayError::ChainUnavailable(_) | RelayError::ContractMismatch(_), Some(chain)) => {
                chain.failed(&self.work, error.in_full());
            }
            (RelayError::StoreUnavailable(_), _) => needs.store.failed(&self.work, error.in_full()),
            _ => self.note_problem(Some(error.in_full())),
        }
    }

    /// The same for a problem as text; `None` after work that succeeded.
    pub(crate) fn note_problem(&mut self, problem: Option<String>) {
        if problem == self.said {
            return;
        }
        match &problem {
            Some(problem) => tracing::warn!("{} is failing: {problem}", self.work),
            None => tracing::warn!("{} recovered", self.work),
        }
        self.said = problem;
    }
}

#[cfg(test)]
mod tests {
    use devkit::Log;

    use super::*;
    use crate::claims::ClaimStoreError;
    use crate::store::StoreError;

    #[test]
    fn a_store_that_recovered_is_told_of_though_the_chain_fails_by_now() {
        let log = Log::start();
        let (chain, store) = (OutageLog::new("the chain"), OutageLog::new("the database"));
        let needs = Needs { chain: Some(&chain), store: &store };
        let mut outage = Outage::new("settlement");
        outage.note(Err::<(), _>(RelayError::StoreUnavailable(StoreError::new("full"))), needs);
        assert_eq!(log.lines("the database is failing").len(), 1);
        // The claims may be in the same database.
        outage.note(Err::<(), _>(RelayError::ClaimsUnavailable(ClaimStoreError::new("full"))), needs);
        assert_eq!(log.lines("the database recovered"), Vec::<String>::new());
        let unreachable = ChainError::Unreachable { detail: "refused".to_owned() };
        outage.note(Err::<(), _>(RelayError::ChainUnavailable(unreachable)), needs);
        assert_eq!(log.lines("the database recovered").len(), 1);
    }
}
