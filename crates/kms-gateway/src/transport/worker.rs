//! One thread that owns a session, behind a bounded queue: a TEE session is neither shared nor opened for every call.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::{QueueStats, TransportError};

/// The weight of the newest call in the average is one in this many.
const AVERAGE_OVER: u64 = 16;

struct Job {
    frame: Vec<u8>,
    reply: oneshot::Sender<Result<Vec<u8>, TransportError>>,
}

/// The queue and its thread.
pub struct Worker {
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    capacity: usize,
    meter: Arc<Meter>,
}

#[derive(Default)]
struct Meter {
    in_flight: AtomicUsize,
    average_nanos: AtomicU64,
    consecutive_failures: AtomicU64,
}

/// Why a session could not be had.
#[derive(Debug, thiserror::Error)]
pub enum StartError<E> {
    /// The thread could not be started.
    #[error("the TEE thread could not be started: {0}")]
    Thread(io::Error),
    /// The thread ended before it said anything.
    #[error("the TEE thread ended while it opened its session")]
    Ended,
    /// The session could not be opened.
    #[error(transparent)]
    Session(E),
}

impl Worker {
    /// Starts a thread, opens the session on it with `open`, and returns when the session is open. Blocks until then.
    ///
    /// # Errors
    /// Those of `open`, and [`StartError::Thread`] when the system has no thread to give.
    pub fn start<S, E>(
        capacity: usize,
        open: impl FnOnce() -> Result<S, E> + Send + 'static,
    ) -> Result<Self, StartError<E>>
    where
        S: FnMut(&[u8]) -> Result<Vec<u8>, TransportError>,
        E: Send + 'static,
    {
        let capacity = capacity.max(1);
        let (queue, jobs) = mpsc::channel(capacity);
        let (opened, outcome) = std::sync::mpsc::sync_channel(1);
        let meter = Arc::new(Meter::default());
        let thread_meter = Arc::clone(&meter);
        let thread = std::thread::Builder::new()
            .name("tee".into())
            .spawn(move || match open() {
                Ok(session) => {
                    let _ = opened.send(Ok(()));
                    run(jobs, session, &thread_meter);
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            })
            .map_err(StartError::Thread)?;
        outcome.recv().map_err(|_| StartError::Ended)?.map_err(StartError::Session)?;
        Ok(Self { queue: Mutex::new(Some(queue)), thread: Mutex::new(Some(thread)), capacity, meter })
    }

    /// Queues a frame and waits for its reply.
    ///
    /// # Errors
    /// [`TransportError::Busy`] at once when the queue is full, [`TransportError::Unavailable`] when the thread is gone.
    pub async fn invoke(&self, frame: Vec<u8>) -> Result<Vec<u8>, TransportError> {
        let queue = self.queue().ok_or(TransportError::Unavailable)?;
        let (reply, answer) = oneshot::channel();
        queue.try_send(Job { frame, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => TransportError::Busy,
            mpsc::error::TrySendError::Closed(_) => {
                self.meter.failed();
                TransportError::Unavailable
            }
        })?;
        drop(queue);
        // A session that panics takes its thread, and with it every sender of an answer.
        answer.await.unwrap_or_else(|_| {
            self.meter.failed();
            Err(TransportError::Unavailable)
        })
    }

    /// How the queue is doing.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        let queue = self.queue();
        let waiting = queue.as_ref().map_or(0, |queue| self.capacity - queue.capacity());
        QueueStats {
            depth: waiting + self.meter.in_flight.load(Ordering::Relaxed),
            capacity: self.capacity,
            average_call: Duration::from_nanos(self.meter.average_nanos.load(Ordering::Relaxed)),
            consecutive_failures: self.meter.consecutive_failures.load(Ordering::Relaxed),
            closed: queue.is_none_or(|queue| queue.is_closed()),
        }
    }

    /// Takes no more frames, and returns when those already queued are answered and the session is closed.
    pub async fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of the session was reported to its callers as `Unavailable`.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    fn queue(&self) -> Option<mpsc::Sender<Job>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn run<S>(mut jobs: mpsc::Receiver<Job>, mut session: S, meter: &Meter)
where
    S: FnMut(&[u8]) -> Result<Vec<u8>, TransportError>,
{
    while let Some(Job { frame, reply }) = jobs.blocking_recv() {
        // Nobody waits for this one any more, and it was not begun: leave it.
        if reply.is_closed() {
            continue;
        }
        meter.in_flight.store(1, Ordering::Relaxed);
        let started = Instant::now();
        let answer = session(&frame);
        meter.answered(started.elapsed(), answer.is_ok());
        meter.in_flight.store(0, Ordering::Relaxed);
        let _ = reply.send(answer);
    }
}

impl Meter {
    fn answered(&self, took: Duration, replied: bool) {
        if !replied {
            return self.failed();
        }
        self.consecutive_failures.store(0, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let average = match self.average_nanos.load(Ordering::Relaxed) {
            0 => nanos,
            // Only the session's thread writes it.
            average => average - average / AVERAGE_OVER + nanos / AVERAGE_OVER,
        };
        self.average_nanos.store(average, Ordering::Relaxed);
    }

    fn failed(&self) {
        self.consecutive_failures.fetch_add(1, Ordering::Relaxed);
    }
}
