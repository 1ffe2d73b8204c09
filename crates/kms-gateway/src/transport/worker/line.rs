//! The waiting frames, in order, and which of them may enter the TEE together.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use proto::frame::split_request;
use proto::limits::{MAX_BATCH, MAX_FRAME, MAX_REPLY};
use tokio::sync::oneshot;

use super::breaker::Place;
use super::priority::Priority;
use super::turns::Turns;
use crate::transport::{Asker, TransportError};

/// Overhead per frame or reply in a batch, and of the batch itself, in bytes: more than the
/// codec's.
const OVERHEAD: usize = 8;

/// Sponsorships and queries after which a waiting new account is next, so that a flood of them
/// delays accounts but does not block them.
const BEFORE_A_CREATION: usize = 16;

/// A frame, and the waiting sender.
pub(super) struct Job {
    pub(super) frame: Vec<u8>,
    pub(super) priority: Priority,
    pub(super) asker: Asker,
    pub(super) queued: Instant,
    pub(super) reply: oneshot::Sender<Result<Vec<u8>, TransportError>>,
    pub(super) place: Place,
}

impl Job {
    /// The place is released before the sender gets the answer.
    pub(super) fn answer(self, answer: Result<Vec<u8>, TransportError>) {
        drop(self.place);
        let _ = self.reply.send(answer);
    }

    /// Whether its sender stopped waiting before it was begun: it can be dropped.
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }
}

/// The receiving end of the queue, and the jobs taken out of it that wait.
pub(super) struct Line {
    jobs: Receiver<Job>,
    /// One per priority in [`Priority::ALL`].
    waiting: [Turns<Job>; Priority::ALL.len()],
    /// Sponsorships and queries since the last new account.
    since_creation: usize,
}

impl Line {
    pub(super) fn new(jobs: Receiver<Job>) -> Self {
        Self { jobs, waiting: Default::default(), since_creation: 0 }
    }

    /// Waits for a job, and takes the first by priority. `None` if the queue is closed and empty.
    fn next(&mut self) -> Option<Job> {
        loop {
            if let Some(job) = self.next_waiting() {
                return Some(job);
            }
            let job = self.jobs.recv().ok()?;
            self.wait(job);
        }
    }

    /// The first waiting job by priority.
    fn next_waiting(&mut self) -> Option<Job> {
        while let Ok(job) = self.jobs.try_recv() {
            self.wait(job);
        }
        let [admin, service, creation] = &mut self.waiting;
        let order = match self.since_creation >= BEFORE_A_CREATION {
            true => [admin, creation, service],
            false => [admin, service, creation],
        };
        let job = order.into_iter().find_map(|turns| turns.pop(|job| !job.is_abandoned()))?;
        match job.priority {
            Priority::Admin => {}
            Priority::Service => self.since_creation += 1,
            Priority::Creation => self.since_creation = 0,
        }
        Some(job)
    }

    fn wait(&mut self, job: Job) {
        self.turns_of(&job).push(job.asker, job);
    }

    /// It did not fit into a batch, and is first in the next one.
    fn put_back(&mut self, job: Job) {
        match job.priority {
            Priority::Admin => {}
            Priority::Service => self.since_creation = self.since_creation.saturating_sub(1),
            Priority::Creation => self.since_creation = BEFORE_A_CREATION,
        }
        self.turns_of(&job).put_back(job.asker, job);
    }

    fn turns_of(&mut self, job: &Job) -> &mut Turns<Job> {
        let [admin, service, creation] = &mut self.waiting;
        match job.priority {
            Priority::Admin => admin,
            Priority::Service => service,
            Priority::Creation => creation,
        }
    }

    /// A job and following ones that may be batched with it, at most this many. Waits only for the
    /// first. `None` if the queue is closed and empty.
    pub(super) fn next_together(&mut self, batch_length: usize) -> Option<Vec<Job>> {
        let first = self.next()?;
        let mut room = Room::new(batch_length);
        let mut together = vec![first];
        if !together.first().is_some_and(|first| room.takes(&first.frame)) {
            return Some(together);
        }
        while room.frames > 0
            && let Some(job) = self.next_waiting()
        {
            if !room.takes(&job.frame) {
                self.put_back(job);
                break;
            }
            together.push(job);
        }
        Some(together)
    }

    /// Answers all waiting jobs with this error, for this long. False if the queue is closed.
    pub(super) fn refuse_for(&mut self, time: Duration, why: TransportError) -> bool {
        for job in self.waiting.iter_mut().flat_map(Turns::drain) {
            job.answer(Err(why));
        }
        let until = Instant::now() + time;
        loop {
            match self.jobs.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(job) => job.answer(Err(why)),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}

/// The remaining room in a batch. Frames count with their longest possible reply, so the trusted
/// application never refuses a batch for its size.
struct Room {
    frames: usize,
    request: usize,
    reply: usize,
}

impl Room {
    fn new(batch_length: usize) -> Self {
        Self { frames: batch_length.min(MAX_BATCH), request: MAX_FRAME - OVERHEAD, reply: MAX_REPLY - OVERHEAD }
    }

    /// Whether there was room for this frame, which is then counted.
    fn takes(&mut self, frame: &[u8]) -> bool {
        let Some(longest_reply) = split_request(frame).ok().and_then(|(opcode, _)| opcode.batched_reply_limit()) else {
            return false;
        };
        let left = (
            self.frames.checked_sub(1),
            self.request.checked_sub(frame.len() + OVERHEAD),
            self.reply.checked_sub(longest_reply + OVERHEAD),
        );
        let (Some(frames), Some(request), Some(reply)) = left else {
            return false;
        };
        *self = Self { frames, request, reply };
        true
    }
}
