//! The thread of a worker: calls the session, reopens it when it is lost, and answers all callers.

use std::fmt::{self, Display, Formatter};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use proto::Status;
use proto::command::Opcode;
use proto::frame::split_request;

use super::admission::{self, NotAdmitted, admit};
use super::batch::{self, Outcome};
use super::breaker::Breaker;
use super::line::{Job, Line};
use super::meter::Meter;
use super::session::{Session, SessionError};
use crate::protection::RequiredProtection;
use crate::transport::{ServedTee, TransportError};

/// Minimum and maximum pause between attempts to open a session.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Consecutive failed calls after which a session is replaced.
const FAILURES_OF_A_SESSION: u32 = 3;

pub(super) struct Driver {
    pub(super) line: Line,
    pub(super) breaker: Arc<Breaker>,
    pub(super) meter: Arc<Meter>,
    pub(super) batch_length: usize,
    pub(super) required_protection: RequiredProtection,
    pub(super) served: Arc<ServedTee>,
}

/// There is no usable session.
pub(super) enum OpenError<E> {
    Session(E),
    NotAdmitted(NotAdmitted),
    Panicked,
}

impl<E: Display> Display for OpenError<E> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(error) => error.fmt(f),
            Self::NotAdmitted(error) => error.fmt(f),
            Self::Panicked => f.write_str("opening it panicked"),
        }
    }
}

impl<E> OpenError<E> {
    /// The error for callers.
    const fn answer(&self) -> TransportError {
        match self {
            Self::NotAdmitted(error) => TransportError::NotAdmitted(*error),
            Self::Session(_) | Self::Panicked => TransportError::Unavailable,
        }
    }
}

/// Why a session is discarded.
enum Ended {
    Closed,
    Lost,
}

impl Driver {
    /// Opens the first session, reports it to `opened`, and serves until the queue is closed.
    pub(super) fn run<S: Session, E: Display>(
        mut self,
        mut open: impl FnMut() -> Result<S, E>,
        opened: impl FnOnce(Result<(), OpenError<E>>) -> bool,
    ) {
        let first = match self.open(&mut open) {
            Ok(session) => session,
            Err(error) => {
                opened(Err(error));
                return;
            }
        };
        let mut session = if opened(Ok(())) { Some(first) } else { None };
        while let Some(mut current) = session.take() {
            let ended = self.serve(&mut current);
            // Its resources are released before the next one is opened.
            self.discard(current);
            if matches!(ended, Ended::Closed) {
                return;
            }
            session = self.reopen(&mut open);
        }
    }

    /// Retries until there is a session. Callers that wait meanwhile get an error. `None` if the
    /// queue is closed.
    fn reopen<S: Session, E: Display>(&mut self, open: &mut impl FnMut() -> Result<S, E>) -> Option<S> {
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.open(open) {
                Ok(session) => {
                    // The breaker is updated before the counter, so that observers of the counter
                    // see it updated.
                    self.breaker.session_is_back();
                    self.meter.reopened();
                    tracing::info!("the TEE session was opened again");
                    return Some(session);
                }
                Err(error) => error,
            };
            tracing::error!(%error, ?pause, "the TEE session cannot be opened");
            self.breaker.session_is_gone(error.answer());
            if !self.line.refuse_for(pause, error.answer()) {
                return None;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One attempt. Like any call it may get stuck, and counts as a call for observers and for
    /// closing.
    fn open<S: Session, E>(&self, open: &mut impl FnMut() -> Result<S, E>) -> Result<S, OpenError<E>> {
        self.breaker.call_begins();
        let opened = guarded(|| {
            let mut session = open().map_err(OpenError::Session)?;
            let admitted = admit(&mut session, &self.required_protection, &self.served);
            let state = admitted.map_err(OpenError::NotAdmitted)?;
            admission::log(&state);
            Ok(session)
        });
        self.breaker.call_ends(false, false);
        opened.unwrap_or(Err(OpenError::Panicked))
    }

    /// Closes a discarded session. Like any call that may get stuck, and counts as a call.
    fn discard(&self, session: impl Session) {
        self.breaker.session_ends();
        self.breaker.call_begins();
        if guarded(|| drop(session)).is_none() {
            tracing::error!("closing the TEE session panicked");
        }
        self.breaker.call_ends(false, false);
    }

    fn serve(&mut self, session: &mut impl Session) -> Ended {
        let mut failures = 0;
        let mut batch_length = self.batch_length;
        loop {
            let Some(mut jobs) = self.line.next_together(batch_length) else { return Ended::Closed };
            for job in &jobs {
                self.meter.waited(job.queued.elapsed());
            }
            let error = if jobs.len() > 1 {
                self.call_together(session, jobs, &mut batch_length)
            } else {
                jobs.pop().map_or(Ok(()), |job| self.call_alone(session, job))
            };
            match error {
                Ok(()) => failures = 0,
                Err(SessionError::Broken(_)) if failures + 1 < FAILURES_OF_A_SESSION => failures += 1,
                Err(_) => return Ended::Lost,
            }
        }
    }

    fn call_alone(&self, session: &mut impl Session, job: Job) -> Result<(), SessionError> {
        let (answer, error) = split(self.call(session, &job.frame, 1));
        job.answer(answer);
        error
    }

    fn call_together(
        &self,
        session: &mut impl Session,
        jobs: Vec<Job>,
        batch_length: &mut usize,
    ) -> Result<(), SessionError> {
        let Some(frame) = batch::pack(jobs.iter().map(|job| job.frame.as_slice())) else {
            return self.call_one_by_one(session, jobs);
        };
        let count = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
        let (answer, error) = split(self.call(session, &frame, count));
        match answer.map(|reply| batch::unpack(&reply, jobs.len())) {
            Ok(Outcome::Replies(replies)) => {
                jobs.into_iter().zip(replies).for_each(|(job, reply)| job.answer(Ok(reply)));
            }
            Ok(Outcome::Refused(status)) => {
                // Nothing was done, so each frame can be sent alone.
                tracing::warn!(%status, "the trusted application refused a batch");
                if status == Status::UnknownCommand {
                    *batch_length = 1;
                }
                return self.call_one_by_one(session, jobs);
            }
            Ok(Outcome::Garbled) => {
                tracing::error!("the reply to a batch does not parse");
                refuse(jobs);
            }
            Err(_) => refuse(jobs),
        }
        error
    }

    fn call_one_by_one(&self, session: &mut impl Session, jobs: Vec<Job>) -> Result<(), SessionError> {
        let mut jobs = jobs.into_iter();
        for job in jobs.by_ref() {
            if let Err(error) = self.call_alone(session, job) {
                refuse(jobs);
                return Err(error);
            }
        }
        Ok(())
    }

    /// One call. A session that panics counts as lost, and the panic goes no further.
    fn call(&self, session: &mut impl Session, frame: &[u8], frames: u32) -> Result<Vec<u8>, SessionError> {
        self.breaker.call_begins();
        let reply = guarded(|| session.call(frame)).unwrap_or_else(|| Err(SessionError::Dead("it panicked".into())));
        let took = self.breaker.call_ends(reply.is_ok(), is_slow_by_nature(frame));
        match &reply {
            Ok(_) => self.meter.answered(frames, took),
            Err(error) => {
                // Before any caller gets its answer: a retry finds the breaker updated.
                if let SessionError::Dead(_) = error {
                    self.breaker.session_is_gone(TransportError::Unavailable);
                }
                self.meter.failed(frames);
                tracing::error!(%error, "the TEE gave no reply");
            }
        }
        reply
    }
}

/// A quote that takes seconds does not mean that the TEE is unhealthy. The breaker still opens
/// until the quote is done: nobody waits for it longer than for anything else.
fn is_slow_by_nature(frame: &[u8]) -> bool {
    matches!(split_request(frame), Ok((Opcode::Attest, _)))
}

fn split(reply: Result<Vec<u8>, SessionError>) -> (Result<Vec<u8>, TransportError>, Result<(), SessionError>) {
    match reply {
        Ok(reply) => (Ok(reply), Ok(())),
        Err(error) => (Err(TransportError::Unavailable), Err(error)),
    }
}

fn refuse(jobs: impl IntoIterator<Item = Job>) {
    jobs.into_iter().for_each(|job| job.answer(Err(TransportError::Unavailable)));
}

/// `None` if it panics. What it worked on is dropped afterwards, so nobody sees an inconsistent
/// state.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}
