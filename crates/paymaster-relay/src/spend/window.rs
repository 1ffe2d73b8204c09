//! The windows of time in which spending is counted. Fixed: the same time always lies in the same
//! window.

use crate::calendar::{SECONDS_A_DAY as DAY, month};
use crate::settings::Window;

const HOUR: u64 = 60 * 60;
/// 1 January 1970 was a Thursday: the first Monday is day 4.
const FIRST_MONDAY: u64 = 4 * DAY;
const WEEK: u64 = 7 * DAY;

/// Start, and end unless it is all time, of the window around that time: Unix seconds; the end
/// belongs to the next window.
pub(super) fn around(window: Window, now: u64) -> (u64, Option<u64>) {
    let every = |seconds: u64| {
        let start = now - now % seconds;
        (start, Some(start.saturating_add(seconds)))
    };
    match window {
        Window::Hour => every(HOUR),
        Window::Day => every(DAY),
        Window::Week => match now.checked_sub(FIRST_MONDAY) {
            Some(since) => (now - since % WEEK, Some((now - since % WEEK).saturating_add(WEEK))),
            None => (0, Some(FIRST_MONDAY)),
        },
        Window::Month => {
            let (start, end) = month(now);
            (start, Some(end))
        }
        Window::Total => (0, None),
        Window::Seconds(seconds) => every(seconds.max(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-28 13:30:00 UTC, a Saturday.
    const NOW: u64 = 1_795_872_600;

    #[test]
    fn each_window_begins_and_ends_where_the_calendar_in_utc_says() {
        for (window, start, end) in [
            (Window::Hour, 1_795_870_800, Some(1_795_874_400)),
            // From Saturday 00:00, from Monday 23 November, from 1 November to 1 December.
            (Window::Day, 1_795_824_000, Some(1_795_910_400)),
            (Window::Week, 1_795_392_000, Some(1_795_996_800)),
            (Window::Month, 1_793_491_200, Some(1_796_083_200)),
            (Window::Total, 0, None),
            (Window::Seconds(1000), 1_795_872_000, Some(1_795_873_000)),
        ] {
            assert_eq!(around(window, NOW), (start, end), "{window}");
        }
    }

    #[test]
    fn months_and_weeks_follow_each_other_without_gap_through_leap_years() {
        for (window, count, last_start) in [
            // 230 years: until 1 December 2199. 12,000 weeks: the first one has four days.
            (Window::Month, 230 * 12, 7_255_440_000),
            (Window::Week, 12_000, FIRST_MONDAY + 11_998 * WEEK),
        ] {
            let (mut start, mut end) = around(window, 0);
            for _ in 1..count {
                let next = end.unwrap();
                assert_eq!(around(window, next - 1), (start, end), "{window} {next}");
                (start, end) = around(window, next);
                assert_eq!(start, next, "{window}");
            }
            assert_eq!(start, last_start, "{window}");
        }
        // 29 February 2028, and 1 March 2100, which follows the 28th.
        assert_eq!(around(Window::Month, 1_835_395_200), (1_832_976_000, Some(1_835_481_600)));
        assert_eq!(around(Window::Month, 4_107_542_400).0, 4_107_542_400);
    }

    #[test]
    fn the_last_second_of_time_has_a_window() {
        for window in [Window::Hour, Window::Day, Window::Week, Window::Month, Window::Seconds(7)] {
            assert_eq!(around(window, u64::MAX).1, Some(u64::MAX), "{window}");
        }
    }
}
