//! A rate limit for log lines that anyone can trigger: a burst, then a fixed rate.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lines in a burst.
const BURST: u32 = 100;
/// Interval between two lines after the burst.
const INTERVAL: Duration = Duration::from_millis(100);

/// The log lines about one kind of request.
#[derive(Debug)]
pub struct LineRation {
    what: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    lines: u32,
    filled_at: Instant,
    left_out: u64,
}

impl LineRation {
    /// Creates the limit for requests called `what` in the log.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        let state = State { lines: BURST, filled_at: Instant::now(), left_out: 0 };
        Self { what: what.into(), state: Mutex::new(state) }
    }

    /// Whether the next line may be written. Suppressed lines are counted, and their number is
    /// logged before the next line that may be written.
    pub fn admits_line(&self) -> bool {
        let left_out = self.state().take();
        match left_out {
            Some(0) => {}
            Some(left_out) => tracing::info!(left_out, "suppressed log lines about {}", self.what),
            None => return false,
        }
        true
    }

    /// No panic under the lock can leave the state inconsistent.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes one line, and returns the number of lines suppressed before it.
    fn take(&mut self) -> Option<u64> {
        let due = self.filled_at.elapsed().as_millis() / INTERVAL.as_millis();
        let due = u32::try_from(due).unwrap_or(u32::MAX);
        match self.lines.checked_add(due).filter(|lines| *lines < BURST) {
            Some(lines) => {
                self.lines = lines;
                self.filled_at += INTERVAL * due;
            }
            None => (self.lines, self.filled_at) = (BURST, Instant::now()),
        }
        match self.lines.checked_sub(1) {
            Some(left) => {
                self.lines = left;
                Some(std::mem::take(&mut self.left_out))
            }
            None => {
                self.left_out += 1;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(ration: &LineRation, lines: usize) -> usize {
        (0..lines).filter(|_| ration.state().take().is_some()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_ten_lines_a_second() {
        let ration = LineRation::new("calls");
        assert_eq!(taken(&ration, 1000), 100);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(taken(&ration, 1000), 20);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(taken(&ration, 1000), 100, "no more than the burst is saved up");
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_line_says_how_many_were_suppressed() {
        let ration = LineRation::new("calls");
        taken(&ration, 107);
        assert_eq!(ration.state().take(), None);
        tokio::time::advance(INTERVAL).await;
        assert_eq!(ration.state().take(), Some(8));
        tokio::time::advance(INTERVAL).await;
        assert_eq!(ration.state().take(), Some(0));
    }
}
