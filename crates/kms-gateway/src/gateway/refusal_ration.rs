//! Rate-limits audit rows and log lines about an authorised relay key's refusals. The holder of a
//! stolen key can cause any number of refusals, and each would be a row that is never removed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Refusals of one key that are written in a burst.
const BURST: u64 = 100;
/// Seconds between two written refusals after the burst.
const INTERVAL: u64 = 10;

/// The remaining allowance of each relay key, by its record, which a rotation keeps.
#[derive(Default)]
pub(super) struct RefusalRation(Mutex<HashMap<u64, Ration>>);

/// A restart resets it: another burst, and unreported suppressed refusals are forgotten.
struct Ration {
    left: u64,
    /// Unix seconds.
    filled_at: u64,
    /// Refusals since the last one that was written.
    left_out: u64,
}

impl RefusalRation {
    /// Whether this refusal is written, and how many were suppressed before it.
    pub(super) fn take(&self, record: u64, now: u64) -> Option<u64> {
        let mut rations = self.rations();
        let ration = rations.entry(record).or_insert(Ration { left: BURST, filled_at: now, left_out: 0 });
        ration.fill(now);
        match ration.left.checked_sub(1) {
            Some(left) => {
                ration.left = left;
                Some(std::mem::take(&mut ration.left_out))
            }
            None => {
                ration.left_out += 1;
                None
            }
        }
    }

    /// The number of suppressed refusals before a row that is always written.
    pub(super) fn left_out(&self, record: u64) -> u64 {
        self.rations().get_mut(&record).map_or(0, |ration| std::mem::take(&mut ration.left_out))
    }

    /// The row that was to report them could not be written; the next one will.
    pub(super) fn not_told(&self, record: u64, left_out: u64) {
        if let Some(ration) = self.rations().get_mut(&record) {
            ration.left_out += left_out;
        }
    }

    /// A panic elsewhere leaves the map consistent. It has as many entries as the admin has
    /// authorised keys, including those revoked since.
    fn rations(&self) -> MutexGuard<'_, HashMap<u64, Ration>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ration {
    fn fill(&mut self, now: u64) {
        // A time in the future was taken before the clock was set back.
        let due = now.checked_sub(self.filled_at).map_or(0, |seconds| seconds / INTERVAL);
        self.left = self.left.saturating_add(due).min(BURST);
        self.filled_at = match self.left {
            BURST => now,
            _ => now.min(self.filled_at + due * INTERVAL),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(ration: &RefusalRation, record: u64, now: u64) -> usize {
        (0..1000).filter(|_| ration.take(record, now).is_some()).count()
    }

    #[test]
    fn each_key_has_a_burst_and_then_one_in_ten_seconds() {
        let ration = RefusalRation::default();
        assert_eq!((written(&ration, 1, 1000), written(&ration, 2, 1000)), (100, 100));
        assert_eq!((written(&ration, 1, 1009), written(&ration, 1, 1035), written(&ration, 1, 1040)), (0, 3, 1));
        assert_eq!(written(&ration, 1, 500_000), 100, "no more than the burst is saved up");
        assert_eq!((written(&ration, 1, 10), written(&ration, 1, 30)), (0, 2), "after the clock was set back");
    }

    #[test]
    fn the_next_row_says_how_many_were_suppressed() {
        let ration = RefusalRation::default();
        written(&ration, 1, 0);
        assert_eq!(ration.take(1, 10), Some(900));
        assert_eq!((ration.take(1, 10), ration.left_out(1), ration.left_out(1)), (None, 1, 0));
        ration.not_told(1, 1);
        assert_eq!((ration.take(1, 20), ration.left_out(2)), (Some(1), 0));
    }
}
