//! The one writer of the database. What waits when it is free goes into one transaction, so a busy
//! gateway pays for one sync to disk many times, and the audit chain has one owner.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use breaker::{OutageLog, SharedProbe, Unproven};
use private_files::InPlace;
use proto::{Address, TeeId};
use sqlx::{Connection as _, SqliteConnection, SqlitePool};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::nonces::Sweeper;
use super::uptime::Uptime;
use super::{accounts, audit, creations, nonces, permits, probe, served_tee};
use crate::store::{
    AccountEntry, AuditHead, AuditRecord, Claim, Creation, NonceClaim, Permit, PermitRequest, StoreError,
};

const QUEUE: usize = 1024;
const BATCH: usize = 128;
/// How long it will do for whoever asks that a write succeeded or failed: anyone may ask.
const RECENT: Duration = Duration::from_secs(1);
/// What notices outages here.
const WRITING: &str = "writing";

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

enum Job {
    Nonce(NonceClaim, Reply<Claim>),
    Release(NonceClaim, Reply<()>),
    Audit(Box<AuditRecord>, Reply<()>),
    Account(Box<AccountEntry>, Reply<()>),
    Creation(Box<Creation>, Reply<()>),
    NoCreation(Uuid, Reply<()>),
    CreationTried(i64, u64, Reply<()>),
    Permit(Box<PermitRequest>, Reply<Permit>),
    ServedTee(TeeId, Address, Reply<()>),
    NoServedTee(Reply<()>),
    Probe(Reply<()>),
}

/// A reply that is due once the transaction is committed.
enum Due {
    Claim(Reply<Claim>, Claim),
    Permit(Reply<Permit>, Permit),
    Done(Reply<()>),
}

/// What has passed, as far as this process knows.
struct Passed {
    nonces: Sweeper,
    uptime: Uptime,
}

/// The queue and its task.
pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    task: Mutex<Option<JoinHandle<()>>>,
    probe: SharedProbe,
}

impl Writer {
    pub(super) fn start(pool: SqlitePool, file: InPlace) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let probe = SharedProbe::default();
        let task = tokio::spawn(run(pool, file, jobs, probe.clone()));
        Self { queue: Mutex::new(Some(queue)), task: Mutex::new(Some(task)), probe }
    }

    pub(super) async fn claim_nonce(&self, claim: NonceClaim) -> Result<Claim, StoreError> {
        self.write(|reply| Job::Nonce(claim, reply)).await
    }

    pub(super) async fn release_nonce(&self, claim: NonceClaim) -> Result<(), StoreError> {
        self.write(|reply| Job::Release(claim, reply)).await
    }

    pub(super) async fn append_audit(&self, record: AuditRecord) -> Result<(), StoreError> {
        self.write(|reply| Job::Audit(Box::new(record), reply)).await
    }

    pub(super) async fn save_account(&self, account: AccountEntry) -> Result<(), StoreError> {
        self.write(|reply| Job::Account(Box::new(account), reply)).await
    }

    pub(super) async fn save_creation(&self, creation: Creation) -> Result<(), StoreError> {
        self.write(|reply| Job::Creation(Box::new(creation), reply)).await
    }

    pub(super) async fn forget_creation(&self, registration_id: Uuid) -> Result<(), StoreError> {
        self.write(|reply| Job::NoCreation(registration_id, reply)).await
    }

    pub(super) async fn creation_was_tried(&self, row: i64, now: u64) -> Result<(), StoreError> {
        self.write(|reply| Job::CreationTried(row, now, reply)).await
    }

    pub(super) async fn permit(&self, request: PermitRequest) -> Result<Permit, StoreError> {
        self.write(|reply| Job::Permit(Box::new(request), reply)).await
    }

    pub(super) async fn remember_tee(&self, tee_id: TeeId, paymaster_signer: Address) -> Result<(), StoreError> {
        self.write(|reply| Job::ServedTee(tee_id, paymaster_signer, reply)).await
    }

    pub(super) async fn forget_tee(&self) -> Result<(), StoreError> {
        self.write(Job::NoServedTee).await
    }

    pub(super) async fn probe(&self) -> Result<(), StoreError> {
        let queue = self.queue()?;
        self.probe.outcome(|| write(queue, Job::Probe)).await.map_err(unproven)
    }

    pub(super) async fn recent_probe(&self) -> Result<(), StoreError> {
        let queue = self.queue()?;
        self.probe.recent_outcome(RECENT, || write(queue, Job::Probe)).await.map_err(unproven)
    }

    /// Takes no more writes and returns when those already queued are done.
    pub(super) async fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // A task that panicked has dropped its replies, which its callers saw as `NotWritten`.
            let _ = task.await;
        }
    }

    async fn write<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, StoreError> {
        write(self.queue()?, job).await
    }

    fn queue(&self) -> Result<mpsc::Sender<Job>, StoreError> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        queue.ok_or(StoreError::NotWritten)
    }
}

fn unproven(unproven: Unproven) -> StoreError {
    match unproven {
        Unproven::Failed(problem) => StoreError::Failing { problem },
        Unproven::Silent(since) => StoreError::Silent { time: since },
    }
}

async fn write<T>(queue: mpsc::Sender<Job>, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, StoreError> {
    let (reply, written) = oneshot::channel();
    queue.send(job(reply)).await.map_err(|_| StoreError::NotWritten)?;
    // Who closes the writer need not wait for this one.
    drop(queue);
    written.await.unwrap_or(Err(StoreError::NotWritten))
}

async fn run(pool: SqlitePool, file: InPlace, mut jobs: mpsc::Receiver<Job>, probe: SharedProbe) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut passed = Passed { nonces: Sweeper::default(), uptime: Uptime::start() };
    let outages = OutageLog::new("the gateway's database");
    // Unknown at first, and after a failure, when the transaction may or may not have been
    // committed.
    let mut head = None;
    while jobs.recv_many(&mut batch, BATCH).await > 0 {
        let mut due = Vec::with_capacity(batch.len());
        match write_all(&pool, &file, head, &mut batch, &mut passed, &mut due).await {
            Ok(new_head) => {
                outages.worked(WRITING);
                probe.succeeded();
                head = Some(new_head);
                due.into_iter().for_each(Due::send);
            }
            Err(error) => {
                // The replies are dropped, which tells every caller of the batch that nothing is
                // certain.
                probe.failed(&error);
                outages.failed(WRITING, error);
                head = None;
            }
        }
        batch.clear();
    }
}

async fn write_all(
    pool: &SqlitePool,
    file: &InPlace,
    head: Option<AuditHead>,
    batch: &mut Vec<Job>,
    passed: &mut Passed,
    due: &mut Vec<Due>,
) -> Result<AuditHead, StoreError> {
    // What is committed to a file that is no longer there is gone at the next start.
    file.check().map_err(sqlx::Error::Io)?;
    let mut connection = pool.acquire().await?;
    let written = write_in_one_transaction(&mut connection, head, batch, passed, due).await;
    if written.is_err() {
        // SQLite may have rolled back by itself, as it does when the disk is full. The connection
        // would then count a transaction that is not there, and refuse to begin another for ever.
        if let Err(error) = connection.close().await {
            tracing::debug!(%error, "a connection whose transaction failed was not closed cleanly");
        }
    }
    written
}

async fn write_in_one_transaction(
    connection: &mut SqliteConnection,
    head: Option<AuditHead>,
    batch: &mut Vec<Job>,
    passed: &mut Passed,
    due: &mut Vec<Due>,
) -> Result<AuditHead, StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut head = match head {
        Some(head) => head,
        None => audit::head(&mut transaction).await?,
    };
    for job in batch.drain(..) {
        due.push(write_one(&mut transaction, job, &mut head, passed).await?);
    }
    transaction.commit().await?;
    Ok(head)
}

async fn write_one(
    connection: &mut SqliteConnection,
    job: Job,
    head: &mut AuditHead,
    passed: &mut Passed,
) -> Result<Due, StoreError> {
    Ok(match job {
        Job::Nonce(claim, reply) => {
            passed.nonces.sweep(connection, claim.now, Instant::now()).await?;
            Due::Claim(reply, nonces::claim(connection, &claim).await?)
        }
        Job::Release(claim, reply) => {
            nonces::release(connection, &claim).await?;
            Due::Done(reply)
        }
        Job::Audit(record, reply) => {
            *head = audit::append(connection, head, &record).await?;
            Due::Done(reply)
        }
        Job::Account(account, reply) => {
            accounts::save(connection, &account).await?;
            Due::Done(reply)
        }
        Job::Creation(creation, reply) => {
            let uptime = passed.uptime.count(connection).await?;
            creations::save(connection, &creation, uptime).await?;
            Due::Done(reply)
        }
        Job::NoCreation(registration_id, reply) => {
            creations::forget(connection, registration_id).await?;
            Due::Done(reply)
        }
        Job::CreationTried(row, now, reply) => {
            creations::tried(connection, row, now).await?;
            Due::Done(reply)
        }
        Job::Permit(request, reply) => {
            let uptime = passed.uptime.count(connection).await?;
            Due::Permit(reply, permits::give(connection, &request, uptime).await?)
        }
        Job::ServedTee(tee_id, paymaster_signer, reply) => {
            served_tee::remember(connection, tee_id, paymaster_signer).await?;
            Due::Done(reply)
        }
        Job::NoServedTee(reply) => {
            served_tee::forget(connection).await?;
            Due::Done(reply)
        }
        Job::Probe(reply) => {
            probe::write(connection).await?;
            Due::Done(reply)
        }
    })
}

impl Due {
    /// A caller that went away needs no answer.
    fn send(self) {
        match self {
            Self::Claim(reply, claim) => drop(reply.send(Ok(claim))),
            Self::Permit(reply, permit) => drop(reply.send(Ok(permit))),
            Self::Done(reply) => drop(reply.send(Ok(()))),
        }
    }
}
