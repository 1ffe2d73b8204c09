//! Rations what the audit and the log have of an authorised relay key's refusals. Whoever holds a
//! stolen key can be refused as often as they like; each would be a row that nothing removes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Refusals of one key that are written at once.
const BURST: u64 = 100;
/// Seconds between two that are written once the burst is used up.
const INTERVAL: u64 = 10;

/// What is left of each relay key's ration, by its record, which a rotation keeps.
#[derive(Default)]
pub(super) struct RefusalRation(Mutex<HashMap<u64, Ration>>);

/// A restart begins anew: another burst, and what was left out and not told is forgotten.
struct Ration {
    left: u64,
    /// Unix seconds.
    filled_at: u64,
    /// Refusals since the last that was written.
    left_out: u64,
}

impl RefusalRation {
    /// Whether this refusal is written, and how many were left out before it.
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

    /// How many refusals were left out before what is written in any case.
    pub(super) fn left_out(&self, record: u64) -> u64 {
        self.rations().get_mut(&record).map_or(0, |ration| std::mem::take(&mut ration.left_out))
    }

    /// The row that was to say so could not be written; the next one will.
    pub(super) fn not_told(&self, record: u64, left_out: u64) {
        if let Some(ration) = self.rations().get_mut(&record) {
            ration.left_out += left_out;
        }
    }

    /// A panic elsewhere leaves a whole map behind. It has as many entries as the admin has
    /// authorised keys, those that were revoked since included.
    fn rations(&self) -> MutexGuard<'_, HashMap<u64, Ration>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ration {
    fn fill(&mut self, now: u64) {
        // One in the future is of a clock that was set back since.
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
    fn what_is_written_next_says_how_many_were_left_out() {
        let ration = RefusalRation::default();
        written(&ration, 1, 0);
        assert_eq!(ration.take(1, 10), Some(900));
        assert_eq!((ration.take(1, 10), ration.left_out(1), ration.left_out(1)), (None, 1, 0));
        ration.not_told(1, 1);
        assert_eq!((ration.take(1, 20), ration.left_out(2)), (Some(1), 0));
    }
}
