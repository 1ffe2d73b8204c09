//! A single writer for a SQLite database. Jobs that wait while it is busy share one transaction, so
//! that many requests share each sync to disk; each job can still be rolled back alone.
#![forbid(unsafe_code)]

mod connection;
mod damage;
mod job;
mod look;
mod migrations;
mod run;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use breaker::{OutageLog, SharedProbe, Unproven};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use private_files::InPlace;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, SqliteConnection};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use damage::Damage;
pub use job::Changes;
pub use look::{Look, LookError, check_pages};
pub use migrations::Migrations;

use connection::Reopened;
use job::Job;
use run::Run;

const QUEUE: usize = 1024;

/// Writes more pages than fit on a disk with only a few free bytes.
pub type WriteSome = for<'c> fn(&'c mut SqliteConnection) -> BoxFuture<'c, Result<(), sqlx::Error>>;

/// The transaction of a write did not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotWritten {
    /// It never began.
    #[error("the database is closed")]
    Closed,
    /// It is unknown whether it was committed.
    #[error("the transaction failed")]
    Failed,
}

/// The queue and its task.
#[derive(Debug)]
pub struct Writer {
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    task: Mutex<Option<JoinHandle<Option<SqliteConnection>>>>,
    write_some: WriteSome,
    file: InPlace,
    shared: Shared,
}

/// State that the task shares with callers.
#[derive(Clone, Debug)]
struct Shared {
    outages: Arc<OutageLog>,
    damage: Damage,
    probe: SharedProbe,
    rollbacks: Rollbacks,
    /// Whether a write failed and none has been committed since.
    has_failed: Arc<AtomicBool>,
}

/// A count of rollbacks: values that jobs cache between runs are valid while it stays unchanged.
#[derive(Clone, Debug, Default)]
pub struct Rollbacks(Arc<AtomicU64>);

impl Rollbacks {
    /// The current count.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Writer {
    /// Opens the writing connection. The file must exist with its tables; `what` is its name in the
    /// log.
    ///
    /// # Errors
    /// [`sqlx::Error`] if it cannot be opened.
    pub async fn start(
        options: SqliteConnectOptions,
        file: InPlace,
        what: &'static str,
        write_some: WriteSome,
    ) -> Result<Self, sqlx::Error> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let outages = Arc::new(OutageLog::new(what));
        let shared = Shared {
            damage: Damage::new(file.clone(), Arc::clone(&outages)),
            outages,
            probe: SharedProbe::default(),
            rollbacks: Rollbacks::default(),
            has_failed: Arc::default(),
        };
        let connection = options.connect().await?;
        let run = Run::new(Reopened::new(options, connection), file.clone(), shared.clone());
        let task = tokio::spawn(run.until_closed(jobs));
        Ok(Self { queue: Mutex::new(Some(queue)), task: Mutex::new(Some(task)), write_some, file, shared })
    }

    /// The log of its outages.
    #[must_use]
    pub fn outages(&self) -> &OutageLog {
        &self.shared.outages
    }

    /// Damage of the file.
    #[must_use]
    pub fn damage(&self) -> &Damage {
        &self.shared.damage
    }

    /// The count of rollbacks.
    #[must_use]
    pub fn rollbacks(&self) -> &Rollbacks {
        &self.shared.rollbacks
    }

    /// Runs a job within a transaction and returns once it is on disk. An error of the job rolls
    /// back only that job.
    ///
    /// # Errors
    /// The job's own, or [`NotWritten`].
    pub async fn write<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<NotWritten> + Error + Send + 'static,
        W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Changes<T>, E>> + Send + 'static,
    {
        job::queue(self.queue()?, self.shared.damage.clone(), work).await
    }

    /// Whether the file is in its place, accepts writes, and was never found damaged. Answers
    /// quickly: if the probe's own write stays queued for too long, another committed write counts
    /// too.
    ///
    /// # Errors
    /// [`Unproven`].
    pub async fn probe(&self) -> Result<(), Unproven> {
        self.undamaged()?;
        self.probe_writing().await
    }

    /// The same for frequent callers: reuses the outcome of a write that is no older than `age`.
    ///
    /// # Errors
    /// [`Unproven`].
    pub async fn recent_probe(&self, age: Duration) -> Result<(), Unproven> {
        self.undamaged()?;
        let writing = self.writing()?;
        self.shared.probe.recent_outcome(age, || writing).await
    }

    /// Like [`Self::probe`], but writes nothing to disk while writes succeed: a transaction without
    /// changes needs only the file in its place and the lock. After a failed write, and until one
    /// succeeds, it probes, which fails quickly, so that a known failure delays no request. Damage
    /// that was found elsewhere in the file is no failure: what is intact is served.
    ///
    /// # Errors
    /// [`Unproven`].
    pub async fn try_out(&self) -> Result<(), Unproven> {
        let queue = self.look()?;
        if self.shared.has_failed.load(Ordering::Relaxed) {
            return self.probe_writing().await;
        }
        let damage = self.shared.damage.clone();
        let nothing = job::queue(queue, damage, |_| async { Ok::<_, NotWritten>(Changes::Undone(())) }.boxed());
        nothing.await.map_err(|error| Unproven::Failed(error.to_string()))
    }

    /// Whether a write would begin: the writer is open, and the file in its place. Starts no
    /// transaction.
    ///
    /// # Errors
    /// [`Unproven`].
    pub fn is_in_place(&self) -> Result<(), Unproven> {
        self.look().map(drop)
    }

    /// Accepts no more jobs and returns once the queued ones are done. Close the returned
    /// connection after all others: the last one checkpoints the log into the file, which readers
    /// cannot do.
    pub async fn close(&self) -> Option<SqliteConnection> {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        // If the writer panicked, its callers already learnt that the outcome is unknown.
        task.await.inspect_err(|error| tracing::error!(%error, "the writer of a database panicked")).ok()?
    }

    async fn probe_writing(&self) -> Result<(), Unproven> {
        let writing = self.writing()?;
        self.shared.probe.outcome(|| writing).await
    }

    fn writing(&self) -> Result<impl Future<Output = Result<(), ProbeError>> + Send + use<>, Unproven> {
        let (queue, damage, work) = (self.look()?, self.shared.damage.clone(), self.write_some);
        Ok(job::queue(queue, damage, move |connection| {
            work(connection).map(|done| Ok(done.map(Changes::Kept)?)).boxed()
        }))
    }

    fn undamaged(&self) -> Result<(), Unproven> {
        self.shared.damage.found().map_or(Ok(()), |problem| Err(Unproven::Failed(problem.to_owned())))
    }

    /// Each transaction checks this too: its callers learn that it failed, callers of this method
    /// learn why.
    fn look(&self) -> Result<mpsc::Sender<Job>, Unproven> {
        self.file.check().map_err(|error| Unproven::Failed(error.to_string()))?;
        self.queue().map_err(|error| Unproven::Failed(error.to_string()))
    }

    fn queue(&self) -> Result<mpsc::Sender<Job>, NotWritten> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(NotWritten::Closed)
    }
}

/// The outcome of a probe's own write.
#[derive(Debug, Error)]
enum ProbeError {
    #[error("{0}")]
    Database(#[from] sqlx::Error),
    #[error("{0}")]
    NotWritten(#[from] NotWritten),
}
