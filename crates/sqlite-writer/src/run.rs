//! The task: queued jobs share a transaction, and are answered once it is committed.

use std::sync::atomic::Ordering;

use private_files::InPlace;
use sqlx::SqliteConnection;
use thiserror::Error;
use tokio::sync::mpsc;

use crate::Shared;
use crate::connection::Reopened;
use crate::job::{CameTo, Done, Job};

/// Maximum number of jobs in one transaction.
pub(crate) const BATCH: usize = 128;
const BEGIN: &str = "BEGIN IMMEDIATE";
/// One call of the database's thread for two statements.
const BEGIN_WITH_SAVEPOINT: &str = "BEGIN IMMEDIATE; SAVEPOINT job";
const NEXT_SAVEPOINT: &str = "RELEASE job; SAVEPOINT job";
/// This task's name in outage messages.
const WRITING: &str = "writing";

pub(crate) struct Run {
    connection: Reopened,
    file: InPlace,
    shared: Shared,
}

/// Why a transaction failed.
#[derive(Debug, Error)]
enum TransactionError {
    #[error(transparent)]
    File(#[from] std::io::Error),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// A job failed and aborted its whole transaction, for example because the disk is full.
    #[error("{0}")]
    Job(String),
}

impl Run {
    pub(crate) const fn new(connection: Reopened, file: InPlace, shared: Shared) -> Self {
        Self { connection, file, shared }
    }

    /// Returns the connection when the queue is closed and empty.
    pub(crate) async fn until_closed(mut self, mut jobs: mpsc::Receiver<Job>) -> Option<SqliteConnection> {
        let mut batch = Vec::with_capacity(BATCH);
        while jobs.recv_many(&mut batch, self.most_at_once()).await > 0 {
            let mut done = Vec::with_capacity(batch.len());
            let outcome = self.commit_all(&mut batch, &mut done).await;
            // Drops the jobs that the failed transaction did not reach. Their callers, and those of
            // the other jobs, learn that the outcome is unknown, because the replies are dropped.
            batch.clear();
            self.note(&outcome, &done);
            if outcome.is_ok() {
                done.into_iter().for_each(|job| (job.reply)());
            }
        }
        self.connection.into_inner()
    }

    /// After a job met a damaged page, SQLite commits nothing of its transaction, not even what
    /// other jobs wrote.
    fn most_at_once(&self) -> usize {
        if self.shared.damage.is_suspected() { 1 } else { BATCH }
    }

    async fn commit_all(&mut self, batch: &mut Vec<Job>, done: &mut Vec<Done>) -> Result<(), TransactionError> {
        // Data committed to a file that was moved or removed is lost at the next start.
        self.file.check()?;
        let outcome = transaction(self.connection.get().await?, batch, done, &self.shared).await;
        if outcome.is_err() {
            self.shared.rollbacks.add();
            self.connection.give_up().await;
        }
        outcome
    }

    /// Updated before any caller gets its reply.
    fn note(&self, outcome: &Result<(), TransactionError>, done: &[Done]) {
        let Shared { outages, damage, probe, has_failed, .. } = &self.shared;
        if let Err(TransactionError::Database(error)) = outcome {
            damage.found_in(error);
        }
        let failed = done.iter().find_map(|job| match &job.came_to {
            CameTo::Failed(why) => Some(why.clone()),
            CameTo::Kept | CameTo::Undone => None,
        });
        let why = outcome.as_ref().err().map(ToString::to_string).or(failed);
        match why {
            Some(why) => {
                probe.failed(&why);
                has_failed.store(true, Ordering::Relaxed);
                // Otherwise the outcome of that check is logged.
                if !damage.is_being_checked() {
                    outages.failed(WRITING, why);
                }
            }
            None if is_any_kept(done) => {
                has_failed.store(false, Ordering::Relaxed);
                probe.succeeded();
                outages.worked(WRITING);
            }
            // Rolled-back changes need no disk space.
            None => {}
        }
    }
}

async fn transaction(
    connection: &mut SqliteConnection,
    batch: &mut Vec<Job>,
    done: &mut Vec<Done>,
    shared: &Shared,
) -> Result<(), TransactionError> {
    // A lone job is the whole transaction, so rolling back the transaction rolls back the job.
    let count = batch.len();
    let is_alone = count == 1;
    execute(connection, if is_alone { BEGIN } else { BEGIN_WITH_SAVEPOINT }).await?;
    for (index, job) in batch.drain(..).enumerate() {
        let ended = job(connection).await;
        let is_kept = ended.came_to == CameTo::Kept;
        done.push(ended);
        if !is_kept {
            shared.rollbacks.add();
        }
        if !is_alone {
            let is_last = index + 1 == count;
            end_savepoint(connection, is_kept, is_last).await.map_err(|error| told_by_job(done, error))?;
        }
    }
    // A rolled-back savepoint leaves its pages dirty, and a commit would write them.
    let end = if is_any_kept(done) { "COMMIT" } else { "ROLLBACK" };
    execute(connection, end).await.map_err(|error| told_by_job(done, error))
}

/// Keeps or rolls back the changes since the savepoint; if another job follows, it begins at a
/// savepoint too. The last one is released by the end of the transaction, and a savepoint stays
/// after it was rolled back to (sqlite.org, "Savepoints").
async fn end_savepoint(connection: &mut SqliteConnection, is_kept: bool, is_last: bool) -> Result<(), sqlx::Error> {
    match (is_kept, is_last) {
        (true, true) => Ok(()),
        (true, false) => execute(connection, NEXT_SAVEPOINT).await,
        // If SQLite rolled back the whole transaction, the savepoint no longer exists.
        (false, _) => execute(connection, "ROLLBACK TO job").await,
    }
}

/// The job's own error, if its failure aborted the transaction.
fn told_by_job(done: &[Done], error: sqlx::Error) -> TransactionError {
    match done.last().map(|job| &job.came_to) {
        Some(CameTo::Failed(why)) => TransactionError::Job(why.clone()),
        Some(CameTo::Kept | CameTo::Undone) | None => TransactionError::Database(error),
    }
}

fn is_any_kept(done: &[Done]) -> bool {
    done.iter().any(|job| job.came_to == CameTo::Kept)
}

async fn execute(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(statement).execute(connection).await.map(drop)
}
