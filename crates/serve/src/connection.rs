//! What a connection is doing, and how long it may.

use std::future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::bounds::{Bounds, Full};

/// For the service to refuse a body that did not come in time, or to say what it could not do in
/// time.
const ANSWER: Duration = Duration::from_secs(5);

/// What is expected next, and of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The client may begin a request.
    Idle,
    /// The client is sending a header; from the start, when the connection is new.
    Header,
    /// The client is sending a body.
    Body,
    /// A request is complete and being served: the client is waiting for us.
    Serving,
    /// It is no longer HTTP; its own protocol keeps the time.
    Upgraded,
}

#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    since: Instant,
    until: Option<Instant>,
}

/// One open connection, shared by those who watch it.
#[derive(Debug)]
pub(crate) struct Connection {
    state: watch::Sender<State>,
    bounds: Bounds,
    /// Cancelled when another connection needs the place, when the service wants it to end, and
    /// when it has ended.
    pub(crate) evicted: CancellationToken,
    /// Cancelled when the request that is being served has to go for a client who has fewer of
    /// them.
    pub(crate) outranked: CancellationToken,
    /// A WebSocket, or about to be one.
    web_socket: AtomicBool,
    prioritised: AtomicBool,
    kept: Mutex<Kept>,
    /// The cost of that, of all connections of the port.
    kept_by_port: Arc<AtomicUsize>,
}

/// What an answer costs in memory besides its own bytes, about: a WebSocket has a task and a place
/// in a queue for each.
const EACH_ANSWER: usize = 8 << 10;

/// What a request costs while it is served, about: as it came, as it was parsed, and as it is
/// repeated in the answer.
const EACH_BYTE: usize = 4;

/// What the port keeps for a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    /// Of answers that the client has not taken.
    bytes: usize,
    /// Bytes of memory that these cost, about.
    cost: usize,
    /// Bytes of memory that the requests cost which are being served, about.
    requests: usize,
    /// Of these, what was read of a WebSocket since its last message, control frames left out.
    incomplete: usize,
    /// Since when there is anything incomplete.
    incomplete_since: Option<Instant>,
}

impl Kept {
    fn add(&mut self, bytes: usize) -> usize {
        let cost = Connection::cost_of_answer(bytes);
        (self.bytes, self.cost) = (self.bytes.saturating_add(bytes), self.cost.saturating_add(cost));
        cost
    }

    /// What is written has more bytes than the answers in it, so no more is taken off than there
    /// is. Of the cost the same part as of the bytes; returns how much.
    fn take(&mut self, bytes: usize) -> usize {
        let left = self.bytes.saturating_sub(bytes);
        let cost = match u128::try_from(left).unwrap_or(u128::MAX) {
            0 => 0,
            left => usize::try_from(self.cost as u128 * left / self.bytes as u128).unwrap_or(self.cost),
        };
        let taken = self.cost - cost;
        (self.bytes, self.cost) = (left, cost);
        taken
    }
}

/// Who has to go first: clients who keep us waiting for a request, then sessions that have been
/// silent longest.
pub(crate) type Patience = (bool, Instant);

impl Connection {
    pub(crate) fn new(bounds: Bounds, kept_by_port: Arc<AtomicUsize>) -> Self {
        let now = Instant::now();
        let state = State { phase: Phase::Header, since: now, until: Some(now + bounds.header) };
        let (evicted, outranked) = (CancellationToken::new(), CancellationToken::new());
        let (web_socket, prioritised) = (AtomicBool::new(false), AtomicBool::new(false));
        let (state, kept) = (watch::Sender::new(state), Mutex::default());
        Self { state, bounds, evicted, outranked, web_socket, prioritised, kept, kept_by_port }
    }

    /// Bytes arrived.
    pub(crate) fn received(&self) {
        match self.state.borrow().phase {
            Phase::Idle | Phase::Upgraded => {}
            Phase::Header | Phase::Body | Phase::Serving => return,
        }
        self.state.send_if_modified(|state| match state.phase {
            Phase::Idle => {
                let now = Instant::now();
                *state = State { phase: Phase::Header, since: now, until: Some(now + self.bounds.header) };
                true
            }
            Phase::Upgraded => {
                state.since = Instant::now();
                false
            }
            _ => false,
        });
    }

    /// A header is complete and a body follows; answers when it has to be there. The connection
    /// ends later: the service that reads the body answers first.
    pub(crate) fn receiving_body(&self) -> Instant {
        let until = Instant::now() + self.bounds.body;
        self.enter(Phase::Body, Some(until + ANSWER));
        until
    }

    /// How long a client may take nothing, or send nothing.
    pub(crate) fn idle(&self) -> Duration {
        self.bounds.idle
    }

    /// A request is complete.
    pub(crate) fn serving(&self) {
        self.enter(Phase::Serving, Some(Instant::now() + self.bounds.serving + ANSWER));
    }

    /// The response is there; it has as long to be taken as the next request has to begin.
    pub(crate) fn answered(&self) {
        self.release(usize::MAX);
        self.web_socket.store(false, Ordering::Relaxed);
        self.enter(Phase::Idle, Some(Instant::now() + self.bounds.idle));
    }

    /// It may become a WebSocket, and counts as one; what the service answers is still to come.
    pub(crate) fn upgrading(&self) {
        self.web_socket.store(true, Ordering::Relaxed);
    }

    pub(crate) fn upgraded(&self) {
        self.upgrading();
        self.enter(Phase::Upgraded, None);
    }

    pub(crate) fn is_upgraded(&self) -> bool {
        self.state.borrow().phase == Phase::Upgraded
    }

    /// Whether it counts as a WebSocket: it is one or is about to be.
    pub(crate) fn has_web_socket(&self) -> bool {
        self.web_socket.load(Ordering::Relaxed)
    }

    /// What the answers that the client has not taken cost, in bytes of memory.
    pub(crate) fn untaken(&self) -> usize {
        self.kept().cost
    }

    /// What it costs altogether, in bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        let kept = self.kept();
        kept.cost.saturating_add(kept.requests)
    }

    /// What is kept for a request of this many bytes, in bytes of memory, about.
    pub(crate) fn cost_of_request(bytes: usize) -> usize {
        bytes.saturating_mul(EACH_BYTE)
    }

    /// What is kept for an answer of this many bytes, in bytes of memory, about.
    pub(crate) fn cost_of_answer(bytes: usize) -> usize {
        bytes.saturating_add(EACH_ANSWER)
    }

    /// Requests or their answers cost so much more; returns what the whole port keeps.
    pub(crate) fn hold(&self, cost: usize) -> usize {
        {
            let mut kept = self.kept();
            kept.requests = kept.requests.saturating_add(cost);
            self.kept_by_port.fetch_add(cost, Ordering::SeqCst);
        }
        if self.evicted.is_cancelled() {
            self.release(usize::MAX);
        }
        self.kept_by_port.load(Ordering::SeqCst)
    }

    /// The same for what was read of a WebSocket and is no message yet.
    pub(crate) fn hold_incomplete(&self, cost: usize) -> usize {
        {
            let mut kept = self.kept();
            kept.incomplete += cost;
            kept.incomplete_since.get_or_insert_with(Instant::now);
        }
        self.hold(cost)
    }

    /// There is a message: nothing is incomplete.
    pub(crate) fn forget_incomplete(&self) {
        self.forget_of_incomplete(usize::MAX);
    }

    /// That much of what was read belongs to no message.
    pub(crate) fn forget_of_incomplete(&self, cost: usize) {
        let forgotten = {
            let mut kept = self.kept();
            let forgotten = kept.incomplete.min(cost);
            kept.incomplete -= forgotten;
            if kept.incomplete == 0 {
                kept.incomplete_since = None;
            }
            forgotten
        };
        self.release(forgotten);
    }

    /// Since when a message of a WebSocket is arriving; `None` between two.
    pub(crate) fn incomplete_since(&self) -> Option<Instant> {
        self.kept().incomplete_since
    }

    /// When anything was last read of a WebSocket.
    pub(crate) fn last_read(&self) -> Instant {
        self.state.borrow().since
    }

    /// How long a body, or a message of a WebSocket, may take to arrive.
    pub(crate) fn body(&self) -> Duration {
        self.bounds.body
    }

    /// Whether a body was announced that is not read to its end.
    pub(crate) fn has_unread_body(&self) -> bool {
        self.state.borrow().phase == Phase::Body
    }

    /// Requests that cost that much were served.
    pub(crate) fn release(&self, cost: usize) {
        let mut kept = self.kept();
        let released = kept.requests.min(cost);
        kept.requests -= released;
        self.kept_by_port.fetch_sub(released, Ordering::SeqCst);
    }

    /// Whether its client is still sending a request, or a message of a WebSocket.
    pub(crate) fn is_receiving(&self) -> bool {
        let phase = self.state.borrow().phase;
        phase == Phase::Body || (phase == Phase::Upgraded && self.kept().incomplete > 0)
    }

    /// An answer was made; returns what the whole port keeps. One that is made after the end counts
    /// for nothing.
    pub(crate) fn add_untaken(&self, bytes: usize) -> usize {
        {
            let mut kept = self.kept();
            let cost = kept.add(bytes);
            // Under the lock: whoever takes it off the connection finds it there.
            self.kept_by_port.fetch_add(cost, Ordering::SeqCst);
        }
        if self.evicted.is_cancelled() {
            self.take(usize::MAX);
        }
        self.kept_by_port.load(Ordering::SeqCst)
    }

    /// The client took that many bytes.
    pub(crate) fn take(&self, bytes: usize) {
        let mut kept = self.kept();
        self.kept_by_port.fetch_sub(kept.take(bytes), Ordering::SeqCst);
    }

    /// Nothing that is done under the lock can leave it half changed.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it. Nobody waits for its client to take anything more.
    pub(crate) fn end(&self) {
        self.evicted.cancel();
        self.take(usize::MAX);
        self.release(usize::MAX);
    }

    /// From now on it goes last, but for another of its own address.
    pub(crate) fn prioritise(&self) {
        self.prioritised.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_prioritised(&self) -> bool {
        self.prioritised.load(Ordering::Relaxed)
    }

    /// Whether it is between two requests.
    pub(crate) fn is_idle(&self) -> bool {
        self.state.borrow().phase == Phase::Idle
    }

    /// Since when a request is being served; `None` while none is.
    pub(crate) fn serving_since(&self) -> Option<Instant> {
        let State { phase, since, .. } = *self.state.borrow();
        (phase == Phase::Serving).then_some(since)
    }

    fn enter(&self, phase: Phase, until: Option<Instant>) {
        self.state.send_replace(State { phase, since: Instant::now(), until });
    }

    /// `None` while a request is being served.
    pub(crate) fn patience(&self) -> Option<Patience> {
        let State { phase, since, .. } = *self.state.borrow();
        match phase {
            Phase::Idle | Phase::Header | Phase::Body => Some((false, since)),
            Phase::Upgraded => Some((true, since)),
            Phase::Serving => None,
        }
    }

    /// Returns when the client has kept us waiting for too long.
    pub(crate) async fn expired(&self) {
        self.late(|phase| phase != Phase::Serving).await;
    }

    /// Returns when a request has been served for too long, or has to go for another; why.
    pub(crate) async fn cut_off(&self) -> Full {
        tokio::select! {
            () = self.late(|phase| phase == Phase::Serving) => {
                Full::Late { seconds: (self.bounds.serving + ANSWER).as_secs() }
            }
            () = self.outranked.cancelled() => Full::Share { limit: self.bounds.total },
        }
    }

    /// Returns when a phase of these has lasted for too long.
    async fn late(&self, counts: impl Fn(Phase) -> bool) {
        let mut changes = self.state.subscribe();
        loop {
            let State { phase, until, .. } = *changes.borrow_and_update();
            let until = until.filter(|_| counts(phase));
            let deadline = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => future::pending().await,
                }
            };
            tokio::select! {
                () = deadline => return,
                // The sender is `self`: it is there as long as this is.
                _ = changes.changed() => {}
            }
        }
    }
}
