//! The one writer of the database. What waits while it is busy goes into one transaction, so that a
//! busy relay shares each sync to disk between many requests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use breaker::{OutageLog, SharedProbe, Unproven};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use private_files::InPlace;
use sqlx::{Connection, SqliteConnection, SqlitePool};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::store_error::StoreError;

const QUEUE: usize = 1024;
const BATCH: usize = 128;
/// What notices outages here.
const WRITING: &str = "writing";
/// Bytes: some pages, so that a disk with room for a few bytes only does not pass.
const FILLER: i64 = 16 * 1024;

/// What happens to the changes that a job made.
pub(crate) enum Changes<T> {
    /// They are committed.
    Kept(T),
    /// They are undone, and only they.
    Undone(T),
}

/// Answers the caller of a job; called after the commit.
type Reply = Box<dyn FnOnce() + Send>;
/// A job in a savepoint of its own. It fails only when the transaction around it can no longer be
/// trusted.
type Job = Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Done, StoreError>> + Send>;

/// A job within a transaction that is not committed yet.
struct Done {
    reply: Reply,
    came_to: CameTo,
}

enum CameTo {
    Kept,
    Undone,
    Failed,
}

/// What the task tells to those who ask whether writes succeed.
struct Progress {
    has_failed: Arc<AtomicBool>,
    probe: SharedProbe,
}

/// The queue and its task.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    task: Mutex<Option<JoinHandle<()>>>,
    outages: Arc<OutageLog>,
    /// Whether a write failed and none was committed since.
    has_failed: Arc<AtomicBool>,
    file: InPlace,
    probe: SharedProbe,
}

impl Writer {
    pub(super) fn start(pool: SqlitePool, file: InPlace) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let outages = Arc::new(OutageLog::new("the relay's database"));
        let has_failed = Arc::<AtomicBool>::default();
        let probe = SharedProbe::default();
        let progress = Progress { has_failed: Arc::clone(&has_failed), probe: probe.clone() };
        let task = tokio::spawn(run(pool, file.clone(), jobs, Arc::clone(&outages), progress));
        let (queue, task) = (Mutex::new(Some(queue)), Mutex::new(Some(task)));
        Self { queue, task, outages, has_failed, file, probe }
    }

    pub(crate) fn outages(&self) -> &OutageLog {
        &self.outages
    }

    /// Runs a job within a transaction and returns once it is on the disk. An error of the job
    /// undoes the job.
    ///
    /// # Errors
    /// [`StoreError`]: the job's own, or the transaction's, when it is unknown whether it was
    /// committed.
    pub(crate) async fn write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Changes<T>, StoreError>> + Send + 'static,
    {
        write(self.queue()?, work).await
    }

    /// Whether the file is in its place and accepts writes, within a moment: where the probe's own
    /// is queued for longer, whether another was committed meanwhile.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn probe(&self) -> Result<(), StoreError> {
        // Each transaction looks too. Its callers hear that it failed; whoever asks this hears why.
        self.file.check().map_err(StoreError::new)?;
        let queue = self.queue()?;
        let outcome = self.probe.outcome(|| write(queue, |connection| probe(connection).boxed())).await;
        outcome.map_err(|unproven| match unproven {
            Unproven::Failed(problem) => StoreError::new(problem),
            Unproven::Silent(since) => {
                let seconds = since.as_secs_f64();
                StoreError::new(format_args!(
                    "no write has succeeded for {seconds:.1} s: locked by another process, or slow"
                ))
            }
        })
    }

    fn queue(&self) -> Result<mpsc::Sender<Job>, StoreError> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)
    }

    /// As [`Self::probe`], but writes nothing to the disk while writes work: a transaction without
    /// changes needs the file in its place and the lock. After a write that failed, and until one
    /// succeeds, it probes, and so gives up within a moment: what is known not to work holds no
    /// request up.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn try_out(&self) -> Result<(), StoreError> {
        self.file.check().map_err(StoreError::new)?;
        if self.has_failed.load(Ordering::Relaxed) {
            return self.probe().await;
        }
        self.write(|_| async { Ok(Changes::Undone(())) }.boxed()).await
    }

    /// Takes no more jobs and returns when those that are queued are done.
    pub(super) async fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the writer of the relay's database panicked");
        }
    }
}

async fn write<T, W>(queue: mpsc::Sender<Job>, work: W) -> Result<T, StoreError>
where
    T: Send + 'static,
    W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Changes<T>, StoreError>> + Send + 'static,
{
    let (reply, written) = oneshot::channel();
    let job: Job = Box::new(move |connection| in_savepoint(connection, work, reply).boxed());
    queue.send(job).await.map_err(|_| closed())?;
    // Who closes the writer need not wait for this one.
    drop(queue);
    written.await.unwrap_or_else(|_| Err(StoreError::new("the transaction failed")))
}

async fn run(
    pool: SqlitePool,
    file: InPlace,
    mut jobs: mpsc::Receiver<Job>,
    outages: Arc<OutageLog>,
    progress: Progress,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while jobs.recv_many(&mut batch, BATCH).await > 0 {
        match write_all(&pool, &file, batch.drain(..), &progress).await {
            Ok(true) => outages.worked(WRITING),
            // What is undone needs no room on the disk.
            Ok(false) => {}
            Err(error) => outages.failed(WRITING, error),
        }
    }
}

/// Whether something was committed. The replies of a failed transaction are dropped, which tells
/// every caller that nothing is certain. `progress` is up to date before any caller hears of it.
async fn write_all(
    pool: &SqlitePool,
    file: &InPlace,
    mut batch: impl Iterator<Item = Job>,
    progress: &Progress,
) -> Result<bool, StoreError> {
    let mut done = Vec::with_capacity(BATCH);
    let outcome = commit_all(pool, file, &mut batch, &mut done).await;
    let is_failed = |job: &Done| matches!(job.came_to, CameTo::Failed);
    let is_kept = done.iter().any(|job| matches!(job.came_to, CameTo::Kept));
    if let Err(error) = &outcome {
        progress.probe.failed(error);
    }
    if outcome.is_err() || done.iter().any(is_failed) {
        progress.has_failed.store(true, Ordering::Relaxed);
    } else if is_kept {
        progress.has_failed.store(false, Ordering::Relaxed);
        progress.probe.succeeded();
    }
    outcome?;
    done.into_iter().for_each(|job| (job.reply)());
    Ok(is_kept)
}

async fn commit_all(
    pool: &SqlitePool,
    file: &InPlace,
    batch: &mut impl Iterator<Item = Job>,
    done: &mut Vec<Done>,
) -> Result<(), StoreError> {
    // What is committed to a file that is no longer there is gone at the next start.
    file.check().map_err(StoreError::new)?;
    let mut connection = pool.acquire().await.map_err(StoreError::new)?;
    let outcome = transaction(&mut connection, batch, done).await;
    if outcome.is_err() {
        // It may still be within the transaction, or not: SQLite rolls back what is open when it is
        // closed.
        if let Err(error) = connection.detach().close_hard().await {
            tracing::warn!(%error, "a connection to the relay's database could not be closed");
        }
    }
    outcome
}

async fn transaction(
    connection: &mut SqliteConnection,
    batch: &mut impl Iterator<Item = Job>,
    done: &mut Vec<Done>,
) -> Result<(), StoreError> {
    execute(connection, "BEGIN IMMEDIATE").await?;
    for job in batch {
        done.push(job(connection).await?);
    }
    // A savepoint that was rolled back leaves its pages to be written, and a commit would write
    // them.
    let is_kept = done.iter().any(|job| matches!(job.came_to, CameTo::Kept));
    execute(connection, if is_kept { "COMMIT" } else { "ROLLBACK" }).await
}

async fn in_savepoint<T, W>(
    connection: &mut SqliteConnection,
    work: W,
    reply: oneshot::Sender<Result<T, StoreError>>,
) -> Result<Done, StoreError>
where
    T: Send + 'static,
    W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Changes<T>, StoreError>> + Send,
{
    execute(connection, "SAVEPOINT job").await?;
    let (outcome, came_to) = match work(connection).await {
        Ok(Changes::Kept(value)) => (Ok(value), CameTo::Kept),
        Ok(Changes::Undone(value)) => (Ok(value), CameTo::Undone),
        Err(error) => (Err(error), CameTo::Failed),
    };
    if !matches!(came_to, CameTo::Kept) {
        execute(connection, "ROLLBACK TO job").await?;
    }
    execute(connection, "RELEASE job").await?;
    // A caller that went away needs no answer.
    Ok(Done { reply: Box::new(move || drop(reply.send(outcome))), came_to })
}

async fn execute(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), StoreError> {
    sqlx::raw_sql(statement).execute(connection).await.map(drop).map_err(StoreError::new)
}

/// Writes some pages and frees them again. Under a key that no request has: those are digests.
async fn probe(connection: &mut SqliteConnection) -> Result<Changes<()>, StoreError> {
    sqlx::query(
        "INSERT OR REPLACE INTO claims (key, holder, expires_at) VALUES (zeroblob(32), hex(randomblob(?1)), 0)",
    )
    .bind(FILLER / 2)
    .execute(&mut *connection)
    .await
    .map_err(StoreError::new)?;
    sqlx::query("DELETE FROM claims WHERE key = zeroblob(32)").execute(connection).await.map_err(StoreError::new)?;
    Ok(Changes::Kept(()))
}

fn closed() -> StoreError {
    StoreError::new("the database is closed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::Database;

    /// A write that is done when the test says so.
    async fn held(writer: &Writer, until: oneshot::Receiver<()>) -> Result<(), StoreError> {
        writer
            .write(|_| {
                async move {
                    until.await.expect("the test lets it end");
                    Ok(Changes::Kept(()))
                }
                .boxed()
            })
            .await
    }

    #[tokio::test]
    async fn only_what_is_written_ends_an_outage_in_the_log() {
        let log = devkit::Log::start();
        let folder = tempfile::tempdir().unwrap();
        let (file, away) = (folder.path().join("relay.db"), folder.path().join("away"));
        let database = Database::open(&file).await.unwrap();
        let writer = database.writer();
        std::fs::rename(&file, &away).unwrap();
        writer.write(|_| async { Ok(Changes::Kept(())) }.boxed()).await.unwrap_err();
        std::fs::rename(&away, &file).unwrap();
        assert_eq!(log.lines("is failing").len(), 1);
        writer.write(|_| async { Ok(Changes::Undone(())) }.boxed()).await.unwrap();
        assert_eq!(log.lines("recovered"), Vec::<String>::new());
        writer.probe().await.unwrap();
        assert_eq!(log.lines("recovered").len(), 1);
    }

    #[tokio::test]
    async fn a_probe_that_queues_behind_writes_that_are_committed_finds_the_database_ready() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("relay.db")).await.unwrap();
        let writer = database.writer();
        let ((first_ends, first), (last_ends, last)) = (oneshot::channel(), oneshot::channel());
        let first = held(writer, first);
        let quick = (0..BATCH).map(|_| writer.write(|_| async { Ok(Changes::Kept(())) }.boxed()));
        let quick = futures_util::future::try_join_all(quick);
        let last = held(writer, last);
        let probes = async {
            let (probe, ()) = tokio::join!(writer.probe(), async { first_ends.send(()).unwrap() });
            probe.unwrap();
            // In the same transaction as the probe's own.
            last_ends.send(()).unwrap();
            writer.probe().await
        };
        let quick = async { quick.await.map(drop) };
        // All are queued at once, in this order.
        let all = async { tokio::try_join!(biased; first, quick, last, probes) };
        tokio::task::unconstrained(all).await.unwrap();
    }
}
