//! One writer for a SQLite database. What waits while it is busy goes into one transaction, so that
//! many requests share each sync to disk, and each of them is undone alone.
#![forbid(unsafe_code)]

mod connection;
mod job;
mod migrations;
mod run;
#[cfg(test)]
mod tests;

use std::fmt::Display;
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

pub use job::Changes;
pub use migrations::Migrations;

use connection::Reopened;
use job::Job;
use run::Run;

const QUEUE: usize = 1024;

/// Writes some pages, more than a disk with room for a few bytes only would take.
pub type WriteSome = for<'c> fn(&'c mut SqliteConnection) -> BoxFuture<'c, Result<(), sqlx::Error>>;

/// The transaction of a write did not come to an end.
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

/// What the task tells to those who ask.
#[derive(Clone, Debug)]
struct Shared {
    outages: Arc<OutageLog>,
    probe: SharedProbe,
    rollbacks: Rollbacks,
    /// Whether a write failed and none was committed since.
    has_failed: Arc<AtomicBool>,
}

/// How often something that a job did was undone: what jobs remember between them is good as long
/// as this has not changed.
#[derive(Clone, Debug, Default)]
pub struct Rollbacks(Arc<AtomicU64>);

impl Rollbacks {
    /// How often by now.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Writer {
    /// Opens the connection that writes. The file is there and has its tables; `what` it is called
    /// in the log.
    ///
    /// # Errors
    /// [`sqlx::Error`] when it can't be opened.
    pub async fn start(
        options: SqliteConnectOptions,
        file: InPlace,
        what: &'static str,
        write_some: WriteSome,
    ) -> Result<Self, sqlx::Error> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let shared = Shared {
            outages: Arc::new(OutageLog::new(what)),
            probe: SharedProbe::default(),
            rollbacks: Rollbacks::default(),
            has_failed: Arc::default(),
        };
        let connection = options.connect().await?;
        let run = Run::new(Reopened::new(options, connection), file.clone(), shared.clone());
        let task = tokio::spawn(run.until_closed(jobs));
        Ok(Self { queue: Mutex::new(Some(queue)), task: Mutex::new(Some(task)), write_some, file, shared })
    }

    /// Where its outages are told of.
    #[must_use]
    pub fn outages(&self) -> &OutageLog {
        &self.shared.outages
    }

    /// How often something was undone.
    #[must_use]
    pub fn rollbacks(&self) -> &Rollbacks {
        &self.shared.rollbacks
    }

    /// Runs a job within a transaction and returns once it is on the disk. An error of the job
    /// undoes the job, and only it.
    ///
    /// # Errors
    /// The job's own, or [`NotWritten`].
    pub async fn write<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<NotWritten> + Display + Send + 'static,
        W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Changes<T>, E>> + Send + 'static,
    {
        job::queue(self.queue()?, work).await
    }

    /// Whether the file is in its place and accepts writes, within a moment: where the probe's own
    /// is queued for longer, whether another was committed meanwhile.
    ///
    /// # Errors
    /// [`Unproven`].
    pub async fn probe(&self) -> Result<(), Unproven> {
        let (queue, work) = (self.look()?, self.write_some);
        self.shared.probe.outcome(|| write_some(queue, work)).await
    }

    /// The same for whoever asks, however often: what came of a write no longer ago than that will
    /// do.
    ///
    /// # Errors
    /// [`Unproven`].
    pub async fn recent_probe(&self, age: Duration) -> Result<(), Unproven> {
        let (queue, work) = (self.look()?, self.write_some);
        self.shared.probe.recent_outcome(age, || write_some(queue, work)).await
    }

    /// As [`Self::probe`], but writes nothing to the disk while writes work: a transaction without
    /// changes needs the file in its place and the lock. After a write that failed, and until one
    /// succeeds, it probes, and so gives up within a moment: what is known not to work holds no
    /// request up.
    ///
    /// # Errors
    /// [`Unproven`].
    pub async fn try_out(&self) -> Result<(), Unproven> {
        let queue = self.look()?;
        if self.shared.has_failed.load(Ordering::Relaxed) {
            return self.probe().await;
        }
        let nothing = job::queue(queue, |_| async { Ok::<_, NotWritten>(Changes::Undone(())) }.boxed());
        nothing.await.map_err(|error| Unproven::Failed(error.to_string()))
    }

    /// Takes no more jobs and returns when those that are queued are done. The connection is to be
    /// closed after all others: the last takes what is in the log into the file, which readers
    /// can't.
    pub async fn close(&self) -> Option<SqliteConnection> {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        // Callers of one that panicked were told that nothing is certain.
        task.await.inspect_err(|error| tracing::error!(%error, "the writer of a database panicked")).ok()?
    }

    /// Each transaction looks too. Its callers hear that it failed; whoever asks this hears why.
    fn look(&self) -> Result<mpsc::Sender<Job>, Unproven> {
        self.file.check().map_err(|error| Unproven::Failed(error.to_string()))?;
        self.queue().map_err(|error| Unproven::Failed(error.to_string()))
    }

    fn queue(&self) -> Result<mpsc::Sender<Job>, NotWritten> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(NotWritten::Closed)
    }
}

/// What came of a probe's own write.
#[derive(Debug, Error)]
enum ProbeError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    NotWritten(#[from] NotWritten),
}

async fn write_some(queue: mpsc::Sender<Job>, work: WriteSome) -> Result<(), ProbeError> {
    job::queue(queue, move |connection| work(connection).map(|done| Ok(done.map(Changes::Kept)?)).boxed()).await
}
