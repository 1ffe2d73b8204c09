//! The state of a connection, and its deadlines.

use std::future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::bounds::{Bounds, Full};

/// Extra time for the service to refuse a body that did not arrive in time, or to report its own
/// timeout.
const ANSWER: Duration = Duration::from_secs(5);

/// The expected next event, and which side it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The client may begin a request.
    Idle,
    /// The client is sending a header; from the start, when the connection is new.
    Header,
    /// The client is sending a body.
    Body,
    /// A request is complete and being served: the client waits for the service.
    Serving,
    /// No longer HTTP; its own protocol keeps the deadlines.
    Upgraded,
}

#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    since: Instant,
    until: Option<Instant>,
}

/// An open connection, shared by its observers.
#[derive(Debug)]
pub(crate) struct Connection {
    state: watch::Sender<State>,
    bounds: Bounds,
    /// Cancelled when another connection needs the place, when the service ends the connection, and
    /// when it has ended.
    pub(crate) evicted: CancellationToken,
    /// Cancelled when the request being served has to end for a client that has fewer.
    pub(crate) outranked: CancellationToken,
    /// A WebSocket, or about to become one.
    web_socket: AtomicBool,
    prioritised: AtomicBool,
    kept: Mutex<Kept>,
    /// The cost of unread answers and requests of all connections of the port.
    kept_by_port: Arc<AtomicUsize>,
}

/// Approximate memory cost of an answer besides its bytes: for each, a WebSocket has a task and a
/// place in a queue.
const EACH_ANSWER: usize = 8 << 10;

/// Approximate memory cost of a request while it is served, per byte: the original, the parsed
/// form, and its copy in the answer.
const EACH_BYTE: usize = 4;

/// Memory that the port holds for a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    /// Bytes of answers that the client has not read.
    bytes: usize,
    /// Their approximate memory cost in bytes.
    cost: usize,
    /// Approximate memory cost of the requests being served, in bytes.
    requests: usize,
    /// Of these, bytes read from a WebSocket since its last message, without control frames.
    incomplete: usize,
    /// When the incomplete message began.
    incomplete_since: Option<Instant>,
}

impl Kept {
    fn add(&mut self, bytes: usize) -> usize {
        let cost = Connection::cost_of_answer(bytes);
        (self.bytes, self.cost) = (self.bytes.saturating_add(bytes), self.cost.saturating_add(cost));
        cost
    }

    /// More bytes are written than the answers contain, so no more is subtracted than there is. The
    /// cost shrinks in proportion to the bytes; returns by how much.
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

/// Eviction order: first clients that have not completed a request, then sessions that have been
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

    /// Called when bytes arrived.
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

    /// A header is complete and a body follows; returns the body's deadline. The connection ends
    /// later, so that the service that reads the body answers first.
    pub(crate) fn receiving_body(&self) -> Instant {
        let until = Instant::now() + self.bounds.body;
        self.enter(Phase::Body, Some(until + ANSWER));
        until
    }

    /// How long a client may neither read nor send anything.
    pub(crate) fn idle(&self) -> Duration {
        self.bounds.idle
    }

    /// Called when a request is complete.
    pub(crate) fn serving(&self) {
        self.enter(Phase::Serving, Some(Instant::now() + self.bounds.serving + ANSWER));
    }

    /// Called when the response is ready. The client has as long to read it as to begin the next
    /// request.
    pub(crate) fn answered(&self) {
        self.release(usize::MAX);
        self.web_socket.store(false, Ordering::Relaxed);
        self.enter(Phase::Idle, Some(Instant::now() + self.bounds.idle));
    }

    /// The connection may become a WebSocket, and counts as one; the service has yet to answer.
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

    /// Whether it counts as a WebSocket: it is one or is about to become one.
    pub(crate) fn has_web_socket(&self) -> bool {
        self.web_socket.load(Ordering::Relaxed)
    }

    /// Memory cost of the answers that the client has not read, in bytes.
    pub(crate) fn untaken(&self) -> usize {
        self.kept().cost
    }

    /// Its total memory cost, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let kept = self.kept();
        kept.cost.saturating_add(kept.requests)
    }

    /// Approximate memory cost of a request of this length, in bytes.
    pub(crate) fn cost_of_request(bytes: usize) -> usize {
        bytes.saturating_mul(EACH_BYTE)
    }

    /// Approximate memory cost of an answer of this length, in bytes.
    pub(crate) fn cost_of_answer(bytes: usize) -> usize {
        bytes.saturating_add(EACH_ANSWER)
    }

    /// Adds to the cost of requests or their answers; returns the total for the whole port.
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

    /// The same for bytes read from a WebSocket that are not a complete message yet.
    pub(crate) fn hold_incomplete(&self, cost: usize) -> usize {
        {
            let mut kept = self.kept();
            kept.incomplete += cost;
            kept.incomplete_since.get_or_insert_with(Instant::now);
        }
        self.hold(cost)
    }

    /// A message is complete: nothing is incomplete.
    pub(crate) fn forget_incomplete(&self) {
        self.forget_of_incomplete(usize::MAX);
    }

    /// Subtracts bytes that belong to no message.
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

    /// When the message that is arriving began; `None` between messages.
    pub(crate) fn incomplete_since(&self) -> Option<Instant> {
        self.kept().incomplete_since
    }

    /// When bytes were last read from a WebSocket.
    pub(crate) fn last_read(&self) -> Instant {
        self.state.borrow().since
    }

    /// Deadline for a body, or a message of a WebSocket, to arrive.
    pub(crate) fn body(&self) -> Duration {
        self.bounds.body
    }

    /// Whether a body was announced but not read to its end.
    pub(crate) fn has_unread_body(&self) -> bool {
        self.state.borrow().phase == Phase::Body
    }

    /// Subtracts the cost of requests that were served.
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

    /// Adds an answer; returns the total for the whole port. One added after the end of the
    /// connection counts nothing.
    pub(crate) fn add_untaken(&self, bytes: usize) -> usize {
        {
            let mut kept = self.kept();
            let cost = kept.add(bytes);
            // Under the lock, so that the code that removes the connection's cost includes it.
            self.kept_by_port.fetch_add(cost, Ordering::SeqCst);
        }
        if self.evicted.is_cancelled() {
            self.take(usize::MAX);
        }
        self.kept_by_port.load(Ordering::SeqCst)
    }

    /// Called when the client read this many bytes.
    pub(crate) fn take(&self, bytes: usize) {
        let mut kept = self.kept();
        self.kept_by_port.fetch_sub(kept.take(bytes), Ordering::SeqCst);
    }

    /// No panic under the lock can leave the state inconsistent.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection without waiting for its client to read anything more.
    pub(crate) fn end(&self) {
        self.evicted.cancel();
        self.take(usize::MAX);
        self.release(usize::MAX);
    }

    /// From now on it is evicted last, except for another of its own address.
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

    /// When the request being served was complete; `None` if there is none.
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

    /// Returns when the client has exceeded its deadline.
    pub(crate) async fn expired(&self) {
        self.late(|phase| phase != Phase::Serving).await;
    }

    /// Returns when a request has been served for too long, or has to end for another, with the
    /// reason.
    pub(crate) async fn cut_off(&self) -> Full {
        tokio::select! {
            () = self.late(|phase| phase == Phase::Serving) => {
                Full::Late { seconds: (self.bounds.serving + ANSWER).as_secs() }
            }
            () = self.outranked.cancelled() => Full::Share { limit: self.bounds.total },
        }
    }

    /// Returns when one of these phases has exceeded its deadline.
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
                // The sender belongs to `self`, so it is still there.
                _ = changes.changed() => {}
            }
        }
    }
}
