//! An outage in the log: a line when it begins or turns into another one, a line when it is over, and none in between.

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

    /// After every turn of the work.
    pub(crate) fn note<T>(&mut self, outcome: Result<T, RelayError>) {
        let problem = outcome.err().map(|error| error.in_full());
        if problem == self.said {
            return;
        }
        match &problem {
            Some(problem) => tracing::warn!("{} breaks off until this is mended: {problem}", self.work),
            None => tracing::info!("{} goes on", self.work),
        }
        self.said = problem;
    }
}
