//! Operations that a bundler left unanswered. A provider whose backend is down may still answer
//! cheap queries, so its breaker stays closed. It may also refuse bad operations at once, without
//! its backend, so a refusal says nothing of it: only an accepted operation does.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Unanswered operations, with none accepted between them, after which other bundlers are asked
/// first. One or two may have been too expensive for it.
const MOST_UNANSWERED: u32 = 3;
/// How long others are asked first before it is tried again. Each trial that fails doubles it, so
/// that a relay with few operations does not lose them all to trials.
const PASSED_OVER_FOR: Duration = Duration::from_secs(30);
/// The longest of these times.
const PASSED_OVER_AT_MOST: Duration = Duration::from_secs(30 * 60);

/// What a bundler left unanswered since it last accepted an operation.
#[derive(Debug, Default)]
pub(super) struct Sends(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    unanswered: u32,
    /// When the last one was left unanswered, or the bundler was tried again.
    last: Option<Instant>,
    accepted: Option<Instant>,
}

impl State {
    fn is_failing(&self) -> bool {
        self.unanswered >= MOST_UNANSWERED
    }

    fn passed_over_for(&self) -> Duration {
        let trials = self.unanswered.saturating_sub(MOST_UNANSWERED);
        let times = 1_u32.checked_shl(trials).unwrap_or(u32::MAX);
        PASSED_OVER_FOR.saturating_mul(times).min(PASSED_OVER_AT_MOST)
    }

    fn is_passed_over(&self, now: Instant) -> bool {
        let is_recent = |last| now.saturating_duration_since(last) < self.passed_over_for();
        self.is_failing() && self.last.is_some_and(is_recent)
    }
}

impl Sends {
    /// How many operations it left unanswered since it accepted one, if it is passed over for that.
    pub(super) fn unanswered(&self) -> Option<u32> {
        let state = self.state();
        state.is_failing().then_some(state.unanswered)
    }

    /// Whether the next operation goes to other bundlers first. Of those after the time is over,
    /// one tries it again.
    pub(super) fn are_passed_over(&self, now: Instant) -> bool {
        let mut state = self.state();
        let is_passed_over = state.is_passed_over(now);
        if state.is_failing() && !is_passed_over {
            state.last = Some(now);
        }
        is_passed_over
    }

    /// Notes one that was sent then. If another was accepted since, it says nothing of the bundler.
    /// Returns whether others are asked first from now on, which they were not before.
    pub(super) fn note_unanswered(&self, begun: Instant, now: Instant) -> bool {
        let mut state = self.state();
        if state.accepted.is_some_and(|accepted| accepted > begun) {
            return false;
        }
        state.last = Some(now);
        state.unanswered = state.unanswered.saturating_add(1);
        state.unanswered == MOST_UNANSWERED
    }

    /// Returns whether others were asked first until now.
    pub(super) fn note_accepted(&self, now: Instant) -> bool {
        let fresh = State { accepted: Some(now), ..State::default() };
        std::mem::replace(&mut *self.state(), fresh).unanswered >= MOST_UNANSWERED
    }

    /// No panic under the lock can leave the state inconsistent.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_three_others_are_asked_first_and_one_tries_again_after_a_while() {
        let (sends, now) = (Sends::default(), Instant::now());
        let unanswered = |at| sends.note_unanswered(at, at);
        assert!(!unanswered(now) && !unanswered(now));
        assert!(!sends.note_accepted(now) && !sends.are_passed_over(now));
        assert_eq!([(); 3].map(|()| unanswered(now)), [false, false, true]);
        assert_eq!((sends.are_passed_over(now), sends.unanswered()), (true, Some(3)));
        let mut tried = now + PASSED_OVER_FOR;
        for minutes in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!([(); 2].map(|()| sends.are_passed_over(tried)), [false, true]);
            assert!(!unanswered(tried));
            let again = tried + Duration::from_secs(60 * minutes);
            assert!(sends.are_passed_over(again - Duration::from_secs(1)), "{minutes}");
            tried = again;
        }
        assert!(sends.note_accepted(tried) && !sends.are_passed_over(tried));
        assert_eq!(sends.unanswered(), None);
    }

    #[test]
    fn those_sent_before_another_was_accepted_do_not_count() {
        let (sends, begun) = (Sends::default(), Instant::now());
        let later = |seconds| begun + Duration::from_secs(seconds);
        sends.note_accepted(later(1));
        assert_eq!([(); 5].map(|()| sends.note_unanswered(begun, later(3))), [false; 5]);
        assert!(!sends.are_passed_over(later(3)));
        assert_eq!([(); 3].map(|()| sends.note_unanswered(later(1), later(4))), [false, false, true]);
    }
}
