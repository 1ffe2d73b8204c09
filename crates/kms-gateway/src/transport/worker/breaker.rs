//! The circuit breaker in front of the queue: it counts the frames inside, and refuses callers
//! immediately while waiting is pointless.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::priority::Priority;
use crate::transport::{Asker, Busy, TransportError};

/// Places reserved for commands of the admin.
const ADMIN_PLACES: usize = 8;

/// Counts the frames inside. Open (refusing callers) while there is no session or a call is stuck,
/// half open (one caller at a time) until a call has been answered in time.
pub(super) struct Breaker {
    capacity: usize,
    stuck_after: Duration,
    state: Mutex<State>,
}

struct State {
    inside: usize,
    /// New accounts among those inside.
    creations: usize,
    /// Sponsorships and queries inside, by asker; askers with none are omitted.
    of_askers: HashMap<Asker, usize>,
    sessions_lost: u64,
    mode: Mode,
    call_began: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Closed,
    HalfOpen,
    /// With the error for callers.
    Open(TransportError),
}

/// One place inside, released when dropped.
pub(super) struct Place {
    breaker: Arc<Breaker>,
    priority: Priority,
    /// The asker to whose share it counts, for a sponsorship or a query.
    asker: Asker,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.breaker.state();
        state.inside = state.inside.saturating_sub(1);
        match self.priority {
            Priority::Admin => {}
            Priority::Service => state.leave(self.asker),
            Priority::Creation => state.creations = state.creations.saturating_sub(1),
        }
    }
}

impl State {
    fn of(&self, asker: Asker) -> usize {
        self.of_askers.get(&asker).copied().unwrap_or_default()
    }

    fn leave(&mut self, asker: Asker) {
        match self.of(asker) {
            0 | 1 => self.of_askers.remove(&asker),
            several => self.of_askers.insert(asker, several - 1),
        };
    }
}

impl Breaker {
    /// Closed, for this many waiting frames besides the one in progress.
    pub(super) fn new(capacity: usize, stuck_after: Duration) -> Self {
        let state = State {
            inside: 0,
            creations: 0,
            of_askers: HashMap::new(),
            sessions_lost: 0,
            mode: Mode::Closed,
            call_began: None,
        };
        Self { capacity, stuck_after, state: Mutex::new(state) }
    }

    /// Admits a caller, or returns immediately why not.
    pub(super) fn enter(self: &Arc<Self>, priority: Priority, asker: Asker) -> Result<Place, TransportError> {
        let mut state = self.state();
        let room = match state.mode {
            Mode::Open(why) => return Err(why),
            _ if self.is_overdue(&state) => Err(Busy::Stuck { after: self.stuck_after }),
            Mode::HalfOpen if state.inside > 0 => Err(Busy::HalfOpen),
            Mode::HalfOpen => Ok(()),
            Mode::Closed => self.room(&state, priority, asker),
        };
        room.map_err(TransportError::Busy)?;
        state.inside += 1;
        match priority {
            Priority::Admin => {}
            Priority::Service => *state.of_askers.entry(asker).or_default() += 1,
            Priority::Creation => state.creations += 1,
        }
        Ok(Place { breaker: Arc::clone(self), priority, asker })
    }

    /// Whether one more frame of this priority is admitted. An asker may use half of the places
    /// that the others leave, so that a few askers that send as many frames as they can leave some
    /// for others. New accounts may use half of all places, if others leave them.
    fn room(&self, state: &State, priority: Priority, asker: Asker) -> Result<(), Busy> {
        let all = self.capacity.saturating_add(1);
        let own = match priority {
            Priority::Admin => state.inside.saturating_sub(state.creations + state.of_askers.values().sum::<usize>()),
            Priority::Service => state.of(asker),
            Priority::Creation => state.creations,
        };
        let left = all.saturating_sub(state.inside.saturating_sub(own));
        let share = match priority {
            Priority::Admin => left.saturating_add(ADMIN_PLACES),
            Priority::Service => left.div_ceil(2),
            Priority::Creation => left.min(all.div_ceil(2)),
        };
        if own < share { Ok(()) } else { Err(Busy::Full { share, queue_length: self.capacity }) }
    }

    pub(super) fn call_begins(&self) {
        self.state().call_began = Some(Instant::now());
    }

    /// Returns how long the call took. A reply in time closes the breaker; a late one half opens
    /// it, unless the call is one that may take long.
    pub(super) fn call_ends(&self, replied: bool, may_be_late: bool) -> Duration {
        let mut state = self.state();
        let took = state.call_began.take().map(|began| began.elapsed()).unwrap_or_default();
        if replied {
            state.mode = match took < self.stuck_after {
                true => Mode::Closed,
                false if may_be_late => state.mode,
                false => Mode::HalfOpen,
            };
        }
        took
    }

    /// The session is discarded, but not closed yet.
    pub(super) fn session_ends(&self) {
        let mut state = self.state();
        state.sessions_lost += 1;
        state.mode = Mode::Open(TransportError::Unavailable);
    }

    pub(super) fn sessions_lost(&self) -> u64 {
        self.state().sessions_lost
    }

    pub(super) fn session_is_gone(&self, why: TransportError) {
        self.state().mode = Mode::Open(why);
    }

    pub(super) fn session_is_back(&self) {
        self.state().mode = Mode::HalfOpen;
    }

    /// Whether the current call takes longer than any should.
    pub(super) fn is_stuck(&self) -> bool {
        self.is_overdue(&self.state())
    }

    /// Why waiting for a session is pointless: closing the lost one, or opening another, takes
    /// longer than any call should.
    pub(super) fn no_session_comes(&self) -> Option<TransportError> {
        let state = self.state();
        match state.mode {
            // The breaker is open only while there is no session, so the call in progress is not a
            // caller's frame.
            Mode::Open(why) if self.is_overdue(&state) => Some(why),
            _ => None,
        }
    }

    /// How long the current call has taken, if there is one.
    pub(super) fn in_call_for(&self) -> Option<Duration> {
        self.state().call_began.map(|began| began.elapsed())
    }

    pub(super) fn is_open(&self) -> bool {
        let state = self.state();
        state.mode != Mode::Closed || self.is_overdue(&state)
    }

    pub(super) fn inside(&self) -> usize {
        self.state().inside
    }

    pub(super) const fn stuck_after(&self) -> Duration {
        self.stuck_after
    }

    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }

    fn is_overdue(&self, state: &State) -> bool {
        state.call_began.is_some_and(|began| began.elapsed() >= self.stuck_after)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
