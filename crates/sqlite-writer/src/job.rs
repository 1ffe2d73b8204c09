//! A job: the writes of one caller, and the reply to it.

use std::error::Error;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;
use tokio::sync::{mpsc, oneshot};

use crate::{Damage, NotWritten};

/// What happens to the changes that a job made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes<T> {
    /// They are committed.
    Kept(T),
    /// Only these changes are rolled back.
    Undone(T),
}

/// Work that may make changes which have to be rolled back.
pub(crate) type Job = Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Done> + Send>;

/// A job within a transaction that is not committed yet.
pub(crate) struct Done {
    /// Sends the reply; called after the commit. If it is dropped, the caller learns that the
    /// outcome is unknown.
    pub(crate) reply: Box<dyn FnOnce() + Send>,
    pub(crate) came_to: CameTo,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CameTo {
    Kept,
    Undone,
    /// Why.
    Failed(String),
}

/// Queues a job and returns its result once its transaction has ended.
pub(crate) async fn queue<T, E, W>(queue: mpsc::Sender<Job>, damage: Damage, work: W) -> Result<T, E>
where
    T: Send + 'static,
    E: From<NotWritten> + Error + Send + 'static,
    W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Changes<T>, E>> + Send + 'static,
{
    let (reply, written) = oneshot::channel();
    let job: Job = Box::new(move |connection| run(connection, damage, work, reply).boxed());
    queue.send(job).await.map_err(|_| NotWritten::Closed)?;
    // Closing the writer need not wait for this sender.
    drop(queue);
    written.await.unwrap_or_else(|_| Err(NotWritten::Failed.into()))
}

async fn run<T, E, W>(
    connection: &mut SqliteConnection,
    damage: Damage,
    work: W,
    reply: oneshot::Sender<Result<T, E>>,
) -> Done
where
    T: Send + 'static,
    E: Error + Send + 'static,
    W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Changes<T>, E>> + Send,
{
    let (outcome, came_to) = match work(connection).await {
        Ok(Changes::Kept(value)) => (Ok(value), CameTo::Kept),
        Ok(Changes::Undone(value)) => (Ok(value), CameTo::Undone),
        Err(error) => {
            damage.found_in(&error);
            let why = error.to_string();
            (Err(error), CameTo::Failed(why))
        }
    };
    // A caller that went away needs no reply.
    Done { reply: Box::new(move || drop(reply.send(outcome))), came_to }
}
