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
    accepted: Option<Instant>,
    /// Only once it is passed over.
    outage: Option<Outage>,
}

#[derive(Debug)]
struct Outage {
    /// When it began, or the last trial failed.
    since: Instant,
    failed_trials: u32,
    /// Whether another bundler was sent an operation since then. On a quiet relay each operation
    /// would be a trial otherwise.
    has_rested: bool,
    /// Whether an operation is on its way that tries it again.
    is_tried: bool,
    /// When it was last sent an operation.
    asked: Instant,
}

/// The order in which bundlers are sent an operation. Those that are passed over come last, the one
/// that was asked longest ago first, so that one which is well again is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Standing {
    is_passed_over: bool,
    is_tried: bool,
    asked: Option<Instant>,
}

/// An operation that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    begun: Instant,
    is_trial: bool,
}

impl Sent {
    /// Whether it tries a bundler again that was passed over. [`Sends`] has to learn what became of
    /// it.
    pub(super) fn is_trial(self) -> bool {
        self.is_trial
    }
}

impl Outage {
    fn beginning(now: Instant) -> Self {
        Self { since: now, failed_trials: 0, has_rested: false, is_tried: false, asked: now }
    }

    fn is_passed_over(&self, now: Instant) -> bool {
        let times = 1_u32.checked_shl(self.failed_trials).unwrap_or(u32::MAX);
        let time = PASSED_OVER_FOR.saturating_mul(times).min(PASSED_OVER_AT_MOST);
        self.is_tried || !self.has_rested || now.saturating_duration_since(self.since) < time
    }
}

impl Sends {
    /// How many operations it left unanswered since it accepted one, if it is passed over for that
    /// or is to be tried again.
    pub(super) fn unanswered(&self) -> Option<u32> {
        let state = self.state();
        state.outage.as_ref().map(|_| state.unanswered)
    }

    /// Its place for the next operation.
    pub(super) fn standing(&self, now: Instant) -> Standing {
        match &self.state().outage {
            Some(outage) if outage.is_passed_over(now) => {
                Standing { is_passed_over: true, is_tried: outage.is_tried, asked: Some(outage.asked) }
            }
            _ => Standing::default(),
        }
    }

    /// Notes that it is sent an operation: a trial, if it was passed over long enough.
    pub(super) fn begin(&self, now: Instant) -> Sent {
        let mut state = self.state();
        let is_trial = state.outage.as_mut().is_some_and(|outage| {
            let is_trial = !outage.is_passed_over(now);
            outage.is_tried |= is_trial;
            outage.asked = now;
            is_trial
        });
        Sent { begun: now, is_trial }
    }

    /// Notes that another bundler is sent an operation.
    pub(super) fn rest(&self) {
        if let Some(outage) = &mut self.state().outage {
            outage.has_rested = true;
        }
    }

    /// Notes that the operation was not answered. If another was accepted since it was sent, that
    /// says nothing of the bundler. Returns whether others are asked first from now on, which they
    /// were not before.
    pub(super) fn note_unanswered(&self, sent: Sent, now: Instant) -> bool {
        let mut state = self.state();
        if state.accepted.is_some_and(|accepted| accepted > sent.begun) {
            return false;
        }
        state.unanswered = state.unanswered.saturating_add(1);
        if let Some(outage) = &mut state.outage {
            // Those that were on their way together are not so many trials.
            if sent.is_trial {
                outage.failed_trials = outage.failed_trials.saturating_add(1);
                (outage.since, outage.is_tried, outage.has_rested) = (now, false, false);
            }
            return false;
        }
        let is_failing = state.unanswered >= MOST_UNANSWERED;
        state.outage = is_failing.then(|| Outage::beginning(now));
        is_failing
    }

    /// Notes that the operation was refused, or not received. That says nothing of the bundler: if
    /// it was a trial, the operation after the next is one.
    pub(super) fn note_refused(&self, sent: Sent) {
        if let (true, Some(outage)) = (sent.is_trial, &mut self.state().outage) {
            (outage.is_tried, outage.has_rested) = (false, false);
        }
    }

    /// Returns whether others were asked first until now.
    pub(super) fn note_accepted(&self, now: Instant) -> bool {
        let fresh = State { accepted: Some(now), ..State::default() };
        std::mem::replace(&mut *self.state(), fresh).outage.is_some()
    }

    /// No panic under the lock can leave the state inconsistent.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unanswered(sends: &Sends, at: Instant) -> bool {
        sends.note_unanswered(sends.begin(at), at)
    }

    fn is_passed_over(sends: &Sends, at: Instant) -> bool {
        sends.standing(at).is_passed_over
    }

    #[test]
    fn after_three_others_are_asked_first_and_one_tries_again_after_a_while() {
        let (sends, now) = (Sends::default(), Instant::now());
        assert!(!unanswered(&sends, now) && !unanswered(&sends, now));
        assert!(!sends.note_accepted(now) && !is_passed_over(&sends, now));
        assert_eq!([(); 3].map(|()| unanswered(&sends, now)), [false, false, true]);
        assert_eq!((is_passed_over(&sends, now), sends.unanswered()), (true, Some(3)));
        let mut tried = now + PASSED_OVER_FOR;
        for minutes in [1, 2, 4, 8, 16, 30, 30] {
            sends.rest();
            assert!(!is_passed_over(&sends, tried));
            let trial = sends.begin(tried);
            assert!(is_passed_over(&sends, tried));
            assert!(!sends.note_unanswered(trial, tried));
            let again = tried + Duration::from_secs(60 * minutes);
            sends.rest();
            assert!(is_passed_over(&sends, again - Duration::from_secs(1)), "{minutes}");
            tried = again;
        }
        assert!(sends.note_accepted(tried) && !is_passed_over(&sends, tried));
        assert_eq!(sends.unanswered(), None);
    }

    #[test]
    fn those_on_their_way_together_are_no_trials() {
        let (sends, now) = (Sends::default(), Instant::now());
        let sent = [(); 9].map(|()| sends.begin(now));
        let noted = sent.map(|sent| sends.note_unanswered(sent, now));
        assert_eq!((noted.iter().filter(|began| **began).count(), sends.unanswered()), (1, Some(9)));
        // Nor are those that it is sent because every bundler is passed over.
        assert!(!unanswered(&sends, now + Duration::from_secs(29)));
        sends.rest();
        assert!(is_passed_over(&sends, now + Duration::from_secs(29)));
        assert!(!is_passed_over(&sends, now + PASSED_OVER_FOR));
    }

    #[test]
    fn a_trial_that_is_refused_is_left_to_the_operation_after_the_next() {
        let (sends, now) = (Sends::default(), Instant::now());
        let _ = [(); 3].map(|()| unanswered(&sends, now));
        let tried = now + PASSED_OVER_FOR;
        sends.rest();
        for _ in 0..3 {
            let trial = sends.begin(tried);
            assert!(is_passed_over(&sends, tried));
            sends.note_refused(trial);
            assert!(is_passed_over(&sends, tried));
            sends.rest();
            assert!(!is_passed_over(&sends, tried));
        }
        // A refusal of another operation does not end the trial that is on its way.
        let (_trial, other) = (sends.begin(tried), sends.begin(tried));
        sends.note_refused(other);
        assert!(is_passed_over(&sends, tried));
    }

    #[test]
    fn of_those_passed_over_the_one_asked_longest_ago_comes_first() {
        let (one, other, now) = (Sends::default(), Sends::default(), Instant::now());
        let later = |seconds| now + Duration::from_secs(seconds);
        for sends in [&one, &other] {
            let _ = [(); 3].map(|()| unanswered(sends, now));
        }
        for second in 1..14 {
            let (first, second) = (later(2 * second), later(2 * second + 1));
            one.begin(first);
            assert!(other.standing(first) < one.standing(first));
            other.begin(second);
            assert!(one.standing(second) < other.standing(second));
        }
        // One that is being tried comes after one that is only passed over.
        one.rest();
        one.begin(later(30));
        unanswered(&other, later(31));
        assert!(other.standing(later(32)) < one.standing(later(32)));
        assert!(Sends::default().standing(later(32)) < other.standing(later(32)));
    }

    #[test]
    fn of_a_quiet_relay_not_every_operation_is_a_trial() {
        let (sends, now) = (Sends::default(), Instant::now());
        let _ = [(); 3].map(|()| unanswered(&sends, now));
        let hours = |hours: u64| now + Duration::from_secs(3600 * hours);
        for hour in 1..10 {
            assert!(is_passed_over(&sends, hours(2 * hour)));
            sends.rest();
            assert!(!is_passed_over(&sends, hours(2 * hour + 1)));
            unanswered(&sends, hours(2 * hour + 1));
        }
    }

    #[test]
    fn those_sent_before_another_was_accepted_do_not_count() {
        let (sends, begun) = (Sends::default(), Instant::now());
        let later = |seconds| begun + Duration::from_secs(seconds);
        let early = [(); 5].map(|()| sends.begin(begun));
        sends.note_accepted(later(1));
        assert_eq!(early.map(|sent| sends.note_unanswered(sent, later(3))), [false; 5]);
        assert!(!is_passed_over(&sends, later(3)));
        let sent = [(); 3].map(|()| sends.begin(later(1)));
        assert_eq!(sent.map(|sent| sends.note_unanswered(sent, later(4))), [false, false, true]);
    }
}
