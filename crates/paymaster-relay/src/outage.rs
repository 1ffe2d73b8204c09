//! A failure of recurring work in the log: a line when it begins or turns into another one, a line when it is over, and none
//! in between.

use crate::chain::ChainError;
use crate::error::RelayError;

/// What was last said about work that is done again and again.
pub(crate) struct Outage {
    work: &'static str,
    said: Option<String>,
}

impl Outage {
    pub(crate) fn new(work: &'static str) -> Self {
        Self { work, said: None }
    }

    /// After every turn of the work. A chain that does not answer is told of by itself.
    pub(crate) fn note<T>(&mut self, outcome: Result<T, RelayError>) {
        let error = outcome.err();
        if !matches!(error, Some(RelayError::ChainUnavailable(ChainError::Unreachable { .. }))) {
            self.note_problem(error.map(|error| error.in_full()));
        }
    }

    /// The same in words; `None` after work that was done.
    pub(crate) fn note_problem(&mut self, problem: Option<String>) {
        if problem == self.said {
            return;
        }
        match &problem {
            Some(problem) => tracing::warn!("{} is failing: {problem}", self.work),
            None => tracing::info!("{} recovered", self.work),
        }
        self.said = problem;
    }
}
