//! The validity window of a sponsorship. Pure: the same times always give the same window.
//!
//! Bundlers simulate at the latest block, the chain validates at the next one, and the trusted
//! application checks the window against the time that the relay signed. The three drift apart when
//! a chain is idle or a clock is wrong, and one window has to suit all of them.

use proto::paymaster::WINDOW_SLACK;

use crate::catalogue::Validity;
use crate::chain::{ClockError, Now};
use crate::error::RelayError;

/// Seconds by which a window begins early: the bundler's node may lag by some blocks.
const LEAD: u64 = 60;

/// Unix seconds, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(super) after: u64,
    pub(super) until: u64,
}

impl Window {
    /// As long as requested, counted from the host's time; longer if the next block needs it, and
    /// shorter if the ceilings require it.
    pub(crate) fn of(validity: &Validity, now: &Now) -> Result<Self, RelayError> {
        let (earliest, latest) = (now.earliest(), now.latest());
        let widest = validity.ceiling.saturating_add(WINDOW_SLACK);
        // No later and no wider than the trusted application signs.
        let bound = now.host.saturating_add(validity.ceiling).min(earliest.saturating_add(widest)).min(validity.last);
        let until = asked(validity, now).min(bound);
        if until < validity.needed(latest) {
            return Err(impossible(now));
        }
        let room = widest.saturating_sub(until - earliest);
        Ok(Self { after: earliest.saturating_sub(LEAD.min(room)), until })
    }

    /// Whether a new request could still get the window of an earlier answer.
    pub(super) fn still_suits(self, validity: &Validity, now: &Now) -> bool {
        let most = asked(validity, now).min(now.host.saturating_add(validity.ceiling)).min(validity.last);
        let width = self.until.checked_sub(self.after);
        self.after <= now.earliest()
            && (validity.needed(now.latest())..=most).contains(&self.until)
            && width.is_some_and(|width| width <= validity.ceiling.saturating_add(WINDOW_SLACK))
    }
}

fn asked(validity: &Validity, now: &Now) -> u64 {
    now.host.saturating_add(validity.most).max(validity.needed(now.latest()))
}

/// Why no window covers the latest block, the next one and the relay's time.
fn impossible(now: &Now) -> RelayError {
    let apart = now.apart();
    if now.block > now.host {
        ClockError::ChainAhead { seconds: apart }.into()
    } else if now.is_host_ahead() {
        ClockError::ChainBehind { seconds: apart }.into()
    } else {
        RelayError::ChainIdle { seconds: apart }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: u64 = 1_800_000_000;
    const VALIDITY: Validity =
        Validity { least: 60, most: 600, most_unproven: 600, ceiling: 3600, next_block: 12, last: u64::MAX };

    fn at(host: u64, block: u64) -> Now {
        Now { host, block, arrived_late: 0 }
    }

    /// The requirements of bundler, chain and trusted application.
    fn assert_suits(window: Window, now: &Now) {
        let Window { after, until } = window;
        assert!(after <= now.block && after <= now.host, "begins too late: {window:?} {now:?}");
        assert!(until >= now.block.max(now.host) + 12 + 60, "ends too early: {window:?} {now:?}");
        assert!(until <= now.host + 3600 && until - after <= 3660, "is too wide: {window:?} {now:?}");
        assert!(window.still_suits(&VALIDITY, now), "{window:?} {now:?}");
    }

    #[test]
    fn every_window_suits_bundler_chain_and_trusted_application_or_there_is_none() {
        for apart in 0..4000 {
            let idle = at(T, T - apart);
            match Window::of(&VALIDITY, &idle) {
                Ok(window) => assert_suits(window, &idle),
                Err(error) => assert!(matches!(error, RelayError::ChainIdle { seconds } if seconds == apart)),
            }
            assert_eq!(Window::of(&VALIDITY, &idle).is_ok(), apart <= 3588);

            let ahead = at(T, T + apart);
            match Window::of(&VALIDITY, &ahead) {
                Ok(window) => assert_suits(window, &ahead),
                Err(error) => assert!(
                    matches!(error, RelayError::ChainClock(ClockError::ChainAhead { seconds }) if seconds == apart)
                ),
            }
            assert_eq!(Window::of(&VALIDITY, &ahead).is_ok(), apart <= 3528);
        }
    }

    #[test]
    fn no_window_reaches_beyond_the_end_of_its_policy() {
        for left in 72..700 {
            let validity = Validity { last: T + left, ..VALIDITY };
            let window = Window::of(&validity, &at(T, T)).unwrap();
            assert_eq!(window.until, T + left.min(600));
            assert!(window.still_suits(&validity, &at(T, T)));
            assert!(left >= 600 || !Window { until: T + left + 1, ..window }.still_suits(&validity, &at(T, T)));
        }
    }

    #[test]
    fn a_live_chain_gets_the_whole_window_with_a_lead() {
        let now = at(T, T - 5);
        assert_eq!(Window::of(&VALIDITY, &now).ok(), Some(Window { after: T - 65, until: T + 600 }));
    }

    #[test]
    fn a_chain_that_was_idle_for_50_minutes_gets_a_whole_window() {
        let now = at(T, T - 3000);
        assert_eq!(Window::of(&VALIDITY, &now).ok(), Some(Window { after: T - 3060, until: T + 600 }));
    }

    #[test]
    fn blocks_that_arrive_old_are_a_clock_that_is_off_and_no_idle_chain() {
        let late = Now { arrived_late: 4000, ..at(T, T - 4000) };
        assert!(matches!(
            Window::of(&VALIDITY, &late),
            Err(RelayError::ChainClock(ClockError::ChainBehind { seconds: 4000 }))
        ));
    }

    #[test]
    fn a_window_is_kept_only_while_a_new_one_could_be_the_same() {
        let now = at(T, T);
        let suits = |after, until| Window { after, until }.still_suits(&VALIDITY, &now);
        assert!(suits(T, T + 72) && suits(T - 60, T + 600));
        for (after, until) in [(T + 1, T + 600), (T, T + 71), (T, T + 601), (T - 3100, T + 600), (T, 0)] {
            assert!(!suits(after, until), "{after} {until}");
        }
    }
}
