//! The chain's time, as observed by the relay.

use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;

use super::Block;
use crate::ports::Clock;

/// Clock differences up to this many seconds are tolerated.
const TOLERANCE: u64 = 60;

/// The host's time and the chain's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    /// Unix seconds of the host's clock.
    pub(crate) host: u64,
    /// Unix seconds of the latest block.
    pub(crate) block: u64,
    /// Minimum age of the latest block in seconds when it arrived.
    pub(crate) arrived_late: u64,
}

impl Now {
    /// The latest time at which a window may begin.
    pub(crate) fn earliest(&self) -> u64 {
        self.host.min(self.block)
    }

    /// A time that has certainly passed when the next block arrives.
    pub(crate) fn latest(&self) -> u64 {
        self.host.max(self.block)
    }

    /// The latest timestamp that is accepted from a block.
    pub(crate) fn bound(&self) -> u64 {
        self.host.saturating_add(TOLERANCE)
    }

    /// Difference between the host's time and the latest block, in seconds.
    pub(crate) fn apart(&self) -> u64 {
        self.host.abs_diff(self.block)
    }

    /// Whether the chain's clock is ahead of the host's by more than the tolerance.
    pub(crate) fn is_host_behind(&self) -> bool {
        self.block > self.bound()
    }

    /// Whether new blocks are already old when they arrive: that is not an idle chain, but a host
    /// whose clock is ahead, or a node that lags.
    pub(crate) fn is_host_ahead(&self) -> bool {
        self.arrived_late > TOLERANCE
    }
}

/// The clocks of host and chain differ by more than any window spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ClockError {
    /// Blocks are later than the host's clock.
    #[error("the latest block is {seconds} s ahead of this relay's clock: one of the two clocks is off")]
    ChainAhead {
        /// The difference.
        seconds: u64,
    },
    /// New blocks are old when they arrive.
    #[error("new blocks are {seconds} s behind this relay's clock: the clock is off, or the node is behind its chain")]
    ChainBehind {
        /// The difference.
        seconds: u64,
    },
}

/// The host's clock, and the newest block seen.
pub struct ChainTime {
    clock: Arc<dyn Clock>,
    seen: Mutex<Option<Seen>>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    block: Block,
    /// Unix seconds of the host's clock.
    at: u64,
    arrived_late: u64,
}

impl ChainTime {
    /// Creates it without any block.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, seen: Mutex::default() }
    }

    /// Records the latest block. A block that was not there at the previous look was made since
    /// then, so its timestamp is later than that look, unless one of the clocks is wrong.
    pub(crate) fn note(&self, block: Block) -> Now {
        self.note_at(block, self.clock.now())
    }

    fn note_at(&self, block: Block, host: u64) -> Now {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let arrived_late = match *seen {
            Some(before) if block.number > before.block.number => before.at.saturating_sub(block.timestamp),
            Some(before) => before.arrived_late,
            None => 0,
        };
        *seen = Some(Seen { block, at: host, arrived_late });
        drop(seen);
        Now { host, block: block.timestamp, arrived_late }
    }

    /// The latest block seen, and the host's time then.
    pub(crate) fn last(&self) -> Option<Now> {
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.map(|Seen { block, at, arrived_late }| Now { host: at, block: block.timestamp, arrived_late })
    }

    /// Age of the latest block seen, in seconds, by the host's clock. It grows while the node does
    /// not answer, or stopped at a block, or while nobody uses the chain.
    pub(crate) fn block_age(&self) -> Option<u64> {
        self.last().map(|last| self.clock.now().saturating_sub(last.block))
    }

    /// Unix seconds: the later of host and chain. A window that ended before this time is over on
    /// both.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now().max(self.last().map_or(0, |last| last.block))
    }

    /// Checks that the clocks of host and chain agree within a minute, judging by the last look at
    /// the chain. An idle chain is not an error.
    ///
    /// # Errors
    /// [`ClockError`].
    pub fn check(&self) -> Result<(), ClockError> {
        match self.last() {
            Some(last) if last.is_host_behind() => Err(ClockError::ChainAhead { seconds: last.apart() }),
            Some(last) if last.is_host_ahead() => Err(ClockError::ChainBehind { seconds: last.arrived_late }),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::SystemClock;

    fn block(number: u64, timestamp: u64) -> Block {
        Block { number, timestamp }
    }

    #[test]
    fn an_idle_chain_is_not_taken_for_a_clock_that_is_ahead() {
        let time = ChainTime::new(Arc::new(SystemClock));
        for host in [5000, 6000, 9000] {
            assert!(!time.note_at(block(7, 1000), host).is_host_ahead());
        }
        // The chain is used again: the block is at most as old as the poll.
        assert!(!time.note_at(block(8, 9001), 9002).is_host_ahead());
    }

    #[test]
    fn new_blocks_that_are_old_already_tell_of_a_clock_that_is_ahead() {
        let time = ChainTime::new(Arc::new(SystemClock));
        time.note_at(block(7, 1000), 5000);
        let now = time.note_at(block(8, 1012), 5012);
        assert!(now.is_host_ahead());
        assert_eq!(now.arrived_late, 3988);
        assert!(time.note_at(block(8, 1012), 5020).is_host_ahead(), "until a block tells otherwise");
        assert!(!time.note_at(block(9, 5021), 5022).is_host_ahead());
    }

    #[test]
    fn a_block_from_the_future_tells_of_a_clock_that_is_behind() {
        let time = ChainTime::new(Arc::new(SystemClock));
        assert!(!time.note_at(block(7, 1060), 1000).is_host_behind());
        assert!(time.note_at(block(8, 1061), 1000).is_host_behind());
        assert_eq!(time.last(), Some(Now { host: 1000, block: 1061, arrived_late: 0 }));
    }
}
