//! One thread that owns a session, behind a bounded queue: a TEE session is neither shared nor
//! opened for every call. A lost session is reopened; the call in progress is answered with an
//! error and never sent again.

mod admission;
mod batch;
mod breaker;
mod line;
mod meter;
mod priority;
mod session;
mod thread;
mod turns;

use std::fmt::Display;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use prometheus::core::Collector;
use tokio::sync::oneshot;

pub use admission::NotAdmitted;
pub use session::{Session, SessionError};

use super::{Asker, QueueStats, ServedTee, TransportError};
use crate::protection::RequiredProtection;
use breaker::Breaker;
use line::{Job, Line};
use meter::Meter;
use priority::Priority;
use thread::{Driver, OpenError};

const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The options of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerOptions {
    /// Frames that may wait besides those in the TEE.
    pub queue_length: usize,
    /// How long a call may take before the TEE counts as stuck.
    pub stuck_after: Duration,
    /// Maximum duration of closing, however much is queued: after that the process ends without it.
    pub longest_closing: Duration,
    /// Maximum number of waiting frames in a batch: useful if entering the TEE is expensive. All of
    /// them wait for the last one's reply. 1: no batches.
    pub batch_length: usize,
    /// The protection that every session must report before anything is served over it.
    pub required_protection: RequiredProtection,
}

/// The queue and its thread.
pub struct Worker {
    queue: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    longest_closing: Duration,
    breaker: Arc<Breaker>,
    meter: Arc<Meter>,
    served: Arc<ServedTee>,
}

/// Why a session could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StartError<E> {
    /// The thread could not be started.
    #[error("the TEE thread could not be started: {0}")]
    Thread(io::Error),
    /// The thread ended before it reported anything.
    #[error("the TEE thread ended while it opened its session")]
    Ended,
    /// The session could not be opened.
    #[error(transparent)]
    Session(E),
    /// The session's trusted application is not admitted.
    #[error(transparent)]
    NotAdmitted(NotAdmitted),
    /// The metrics are contradictory.
    #[error("metrics: {0}")]
    Metrics(prometheus::Error),
}

impl Worker {
    /// Starts a thread, opens the session on it with `open`, and returns when the session is open
    /// and admitted. Blocks until then. `open` is called again, on that thread, whenever a session
    /// is lost; the lost one is closed by then, and the new one has to pass the same checks.
    ///
    /// # Errors
    /// Those of the first `open`, [`StartError::NotAdmitted`], and [`StartError::Thread`] if the
    /// system cannot start a thread.
    pub fn start<S, E>(
        options: WorkerOptions,
        open: impl FnMut() -> Result<S, E> + Send + 'static,
    ) -> Result<Self, StartError<E>>
    where
        S: Session,
        E: Display + Send + 'static,
    {
        let (queue, jobs) = std::sync::mpsc::channel();
        let (opened, outcome) = std::sync::mpsc::sync_channel(1);
        let breaker = Arc::new(Breaker::new(options.queue_length.max(1), options.stuck_after));
        let meter = Arc::new(Meter::new().map_err(StartError::Metrics)?);
        let served = Arc::new(ServedTee::default());
        let driver = Driver {
            line: Line::new(jobs),
            breaker: Arc::clone(&breaker),
            meter: Arc::clone(&meter),
            batch_length: options.batch_length,
            required_protection: options.required_protection,
            served: Arc::clone(&served),
        };
        let thread = std::thread::Builder::new()
            .name("tee".into())
            .spawn(move || driver.run(open, |first| opened.send(first).is_ok()))
            .map_err(StartError::Thread)?;
        first_outcome(&outcome, options.stuck_after).ok_or(StartError::Ended)?.map_err(|error| match error {
            OpenError::Session(error) => StartError::Session(error),
            OpenError::NotAdmitted(error) => StartError::NotAdmitted(error),
            OpenError::Panicked => StartError::Ended,
        })?;
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            thread: Mutex::new(Some(thread)),
            longest_closing: options.longest_closing,
            breaker,
            meter,
            served,
        })
    }

    /// Queues a frame on behalf of `asker` and waits for its reply. Askers take turns; each of them
    /// may use at most half of the places that the others leave for sponsorships and queries.
    /// Callers without authority count as one asker.
    ///
    /// # Errors
    /// Immediately, [`TransportError::Busy`] if the queue or the asker's share of it is full or the
    /// TEE is stuck, and [`TransportError::Unavailable`] while there is no session, or
    /// [`TransportError::NotAdmitted`] if the last one opened is not admitted.
    /// [`TransportError::Unavailable`] also if the session gives no reply.
    pub async fn invoke(&self, frame: Vec<u8>, asker: Asker) -> Result<Vec<u8>, TransportError> {
        let queue = self.queue().ok_or(TransportError::Unavailable)?;
        let priority = Priority::of(&frame);
        let place = self.breaker.enter(priority, asker)?;
        let (reply, answer) = oneshot::channel();
        let job = Job { frame, priority, asker, queued: Instant::now(), reply, place };
        queue.send(job).map_err(|_| TransportError::Unavailable)?;
        drop(queue);
        self.wait_for(answer).await
    }

    /// Callers that wait while there is no session, and none becomes available, get an error. The
    /// frame is not sent later: nobody waits for it.
    async fn wait_for(
        &self,
        mut answer: oneshot::Receiver<Result<Vec<u8>, TransportError>>,
    ) -> Result<Vec<u8>, TransportError> {
        loop {
            if let Ok(answer) = tokio::time::timeout(self.breaker.stuck_after(), &mut answer).await {
                return answer.unwrap_or(Err(TransportError::Unavailable));
            }
            if let Some(why) = self.breaker.no_session_comes() {
                return Err(why);
            }
        }
    }

    /// The state of the queue.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        let closed = self.queue().is_none();
        QueueStats {
            depth: self.breaker.inside(),
            capacity: self.breaker.capacity(),
            average_call: self.meter.average_call(),
            average_wait: self.meter.average_wait(),
            consecutive_failures: self.meter.consecutive_failures(),
            lost: self.breaker.sessions_lost(),
            reopened: self.meter.times_reopened(),
            breaker_open: closed || self.breaker.is_open(),
            in_call_for: self.breaker.in_call_for(),
            closed,
        }
    }

    /// Metrics: reopened sessions, waits in the queue, sizes of batches.
    #[must_use]
    pub fn instruments(&self) -> Vec<Box<dyn Collector>> {
        self.meter.instruments()
    }

    /// The TEE that is served: every session opened from then on has to be with it.
    #[must_use]
    pub fn served(&self) -> &ServedTee {
        &self.served
    }

    /// Accepts no more frames, and returns when the queued ones are answered and the session is
    /// closed. It does not wait for a stuck call, which only ends with the process, nor longer than
    /// `longest_closing`.
    pub async fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let began = Instant::now();
        while !thread.is_finished() {
            if self.breaker.is_stuck() || began.elapsed() >= self.longest_closing {
                tracing::warn!(
                    queued = self.breaker.inside(),
                    "the TEE takes too long to close: its session is left open"
                );
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn queue(&self) -> Option<Sender<Job>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Waits, and logs if it takes long. `None` if the thread has ended.
fn first_outcome<T>(outcome: &Receiver<T>, long: Duration) -> Option<T> {
    let (began, mut wait) = (Instant::now(), long);
    loop {
        match outcome.recv_timeout(wait) {
            Ok(outcome) => return Some(outcome),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => tracing::warn!(
                seconds = began.elapsed().as_secs(),
                "the TEE session is still being opened; the first one on a device may take some seconds, and without a \
                 supplicant it never completes"
            ),
        }
        wait = began.elapsed();
    }
}
