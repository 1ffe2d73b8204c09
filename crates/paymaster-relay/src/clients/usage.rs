//! The usage of a key: its calls in one UTC day. The previous day is stored too: a clock that jumps
//! over midnight and back grants no quota twice, and one that jumps years ahead and back consumes
//! no day's quota.

use serde::{Deserialize, Serialize};

const DAY: u64 = 24 * 60 * 60;

/// The calls of a day, and the time of the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Days since 1970.
    pub day: u64,
    /// Calls on that day.
    pub calls: u64,
    /// Unix seconds.
    pub last_used_at: Option<u64>,
    /// The day before the clock moved to this one.
    #[serde(default)]
    pub left: DayCalls,
}

/// The number of calls on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayCalls {
    /// Days since 1970.
    pub day: u64,
    /// Calls on that day.
    pub calls: u64,
}

impl Usage {
    /// Counts a call, unless the day's quota is used up.
    ///
    /// # Errors
    /// Unix seconds at which the next day begins.
    pub(super) fn count(&mut self, quota: Option<u64>, now: u64) -> Result<(), u64> {
        let DayCalls { day, calls } = self.today(now);
        if quota.is_some_and(|quota| calls >= quota) {
            return Err(Self::end_of(day));
        }
        let (_, left) = self.at(day);
        *self = Self { day, calls: calls + 1, last_used_at: Some(now), left };
        Ok(())
    }

    /// Unix seconds at which the next day begins.
    pub(super) const fn end_of(day: u64) -> u64 {
        (day + 1) * DAY
    }

    /// The day of that time, since 1970, and its calls. A day before all known days is recorded
    /// even if none of its calls is accepted: later days are then not compared with those of a
    /// clock that was ahead.
    pub(super) fn today(&mut self, now: u64) -> DayCalls {
        let day = now / DAY;
        let (calls, left) = self.at(day);
        if day < self.day.min(self.left.day) {
            (self.day, self.calls, self.left) = (day, calls, left);
        }
        DayCalls { day, calls }
    }

    /// The calls of a day, and the other day to store.
    fn at(&self, today: u64) -> (u64, DayCalls) {
        let current = DayCalls { day: self.day, calls: self.calls };
        if today == current.day {
            return (current.calls, self.left);
        }
        let earlier = if self.left.day < current.day { self.left } else { current };
        let calls = match today {
            _ if today == self.left.day => self.left.calls,
            // Before all known days: the quota may have been used up.
            _ if today < earlier.day => earlier.calls,
            _ => 0,
        };
        (calls, current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_lasts_until_the_next_utc_day() {
        let mut usage = Usage::default();
        let noon = 20_000 * DAY + DAY / 2;
        assert_eq!([usage.count(Some(2), noon), usage.count(Some(2), noon + 1)], [Ok(()), Ok(())]);
        assert_eq!(usage.count(Some(2), noon + 2), Err(20_001 * DAY));
        assert_eq!(usage.last_used_at, Some(noon + 1), "a refused call is not counted");
        assert_eq!(usage.count(Some(2), 20_001 * DAY), Ok(()));
        assert_eq!(usage.calls, 1);
    }

    #[test]
    fn a_clock_that_jumps_over_midnight_and_back_gives_no_quota_twice() {
        let mut usage = Usage::default();
        let today = 20_000 * DAY + DAY / 2;
        for (now, expected) in [
            (today, Ok(())),
            (today, Ok(())),
            (today + DAY, Ok(())),
            (today, Err(20_001 * DAY)),
            (today + DAY, Ok(())),
            (today + DAY, Err(20_002 * DAY)),
            (today, Err(20_001 * DAY)),
        ] {
            assert_eq!(usage.count(Some(2), now), expected, "{usage:?}");
        }
        // Jumping years ahead and back loses none of the days between.
        assert_eq!(usage.count(Some(2), today + 4000 * DAY), Ok(()));
        assert_eq!(usage.count(Some(2), today + DAY), Err(20_002 * DAY));
        assert_eq!(usage.count(Some(2), today + 2 * DAY), Ok(()));
    }

    #[test]
    fn a_quota_that_was_used_up_on_days_of_a_clock_that_was_ahead_lasts_until_the_next_utc_day() {
        let mut usage = Usage::default();
        let today = 20_000 * DAY + DAY / 2;
        for ahead in [8, 9] {
            while usage.count(Some(2), today + ahead * DAY).is_ok() {}
        }
        // It may have been used up today: nothing is known about the time before the clock was
        // ahead.
        assert_eq!(usage.count(Some(2), today), Err(20_001 * DAY));
        for day in 1..12 {
            assert_eq!(usage.count(Some(3), today + day * DAY), Ok(()), "day {day}");
        }
    }

    #[test]
    fn without_a_quota_calls_are_counted_all_the_same() {
        let mut usage = Usage::default();
        for _ in 0..3 {
            usage.count(None, DAY).unwrap();
        }
        assert_eq!((usage.day, usage.calls), (1, 3));
    }
}
