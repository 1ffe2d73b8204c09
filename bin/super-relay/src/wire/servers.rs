//! The tasks of a process: all run until one ends unexpectedly or the process is stopped, then all
//! end in order.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::stages::Stages;
use crate::config::Shutdown;
use crate::error::Error;
use crate::ops::Readiness as _;
use crate::shutdown::{Ending, Endings};

/// Time to answer the last probe.
const LAST_PROBES: Duration = Duration::from_secs(1);

type Tasks = JoinSet<(&'static str, io::Result<()>)>;

/// The running tasks, and the tokens that stop them.
pub struct Servers {
    tasks: Tasks,
    stop: CancellationToken,
    /// The operator's port ends last.
    operations: Tasks,
    stop_operations: CancellationToken,
    shutdown: Shutdown,
}

impl Servers {
    pub fn new(shutdown: Shutdown) -> Self {
        Self {
            tasks: JoinSet::new(),
            stop: CancellationToken::new(),
            operations: JoinSet::new(),
            stop_operations: CancellationToken::new(),
            shutdown,
        }
    }

    /// Cancelled when everything but the operator's port is to end.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Cancelled when the operator's port is to end.
    pub fn stop_operations(&self) -> CancellationToken {
        self.stop_operations.clone()
    }

    /// Runs a server; it must end soon after [`Self::stop`].
    pub fn serve(&mut self, name: &'static str, server: impl Future<Output = io::Result<()>> + Send + 'static) {
        self.tasks.spawn(async move { (name, server.await) });
    }

    /// Runs the operator's port; it must end soon after [`Self::stop_operations`].
    pub fn serve_operations(&mut self, server: impl Future<Output = io::Result<()>> + Send + 'static) {
        self.operations.spawn(async move { ("operations", server.await) });
    }

    /// Runs work that has no result.
    pub fn work(&mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.serve(name, async {
            work.await;
            Ok(())
        });
    }

    /// Logs whether the process is ready, and runs until a signal arrives, or a task ends
    /// unexpectedly.
    pub async fn run_until_stopped(&mut self, stages: &Stages) -> Result<(), Error> {
        let mut endings = Endings::listen()?;
        // The check may take long: signals are handled meanwhile.
        let report = async {
            say_whether_it_is_ready(stages).await;
            std::future::pending::<()>().await;
        };
        let ending = tokio::select! {
            ending = endings.next() => Ok(ending),
            () = report => Ok(Ending::Interrupt),
            error = self.unexpected_end() => Err(error),
        };
        stages.stop();
        let first = match ending {
            Ok(Ending::Terminate) => self.drain(&mut endings).await,
            Ok(Ending::Interrupt) => Ok(()),
            Err(error) => Err(error),
        };
        let finished = tokio::select! {
            finished = self.finish() => finished,
            _ = endings.next() => {
                tracing::warn!("second signal to stop: requests in flight are dropped");
                self.drop_all().await;
                Ok(())
            }
        };
        first.and(finished)
    }

    /// Becomes not ready, and keeps serving until load balancers have noticed.
    async fn drain(&mut self, endings: &mut Endings) -> Result<(), Error> {
        let longest = Duration::from_secs(self.shutdown.drain_seconds);
        tracing::info!("stopping: not ready; connections are accepted for {} s", longest.as_secs());
        tokio::select! {
            () = sleep(longest) => Ok(()),
            _ = endings.next() => Ok(()),
            error = self.unexpected_end() => Err(error),
        }
    }

    /// Returns when a task has ended unexpectedly.
    async fn unexpected_end(&mut self) -> Error {
        let ended = tokio::select! {
            Some(ended) = self.tasks.join_next() => ended,
            Some(ended) = self.operations.join_next() => ended,
            else => return Error::Run("nothing is running".into()),
        };
        match ended {
            Ok((name, Ok(()))) => Error::Run(format!("{name} ended by itself")),
            Ok((name, Err(problem))) => Error::Run(format!("{name}: {problem}")),
            Err(problem) => Error::Run(problem.to_string()),
        }
    }

    /// Stops everything, and waits until it has ended: requests in flight finish, those that never
    /// end are dropped.
    pub async fn finish(&mut self) -> Result<(), Error> {
        tracing::info!("stopping: requests in flight finish");
        self.stop.cancel();
        let finished = timeout(Duration::from_secs(self.shutdown.finish_seconds), join_all(&mut self.tasks)).await;
        let outcome = finished.unwrap_or_else(|_| {
            tracing::warn!(
                "requests were still in flight after shutdown.finish_seconds ({} s); they are dropped",
                self.shutdown.finish_seconds
            );
            Ok(())
        });
        self.drop_all().await;
        outcome
    }

    async fn drop_all(&mut self) {
        self.stop.cancel();
        self.tasks.shutdown().await;
        self.stop_operations.cancel();
        if timeout(LAST_PROBES, join_all(&mut self.operations)).await.is_err() {
            self.operations.shutdown().await;
        }
    }
}

/// Logs one line in either case.
async fn say_whether_it_is_ready(stages: &Stages) {
    if let Err(reason) = stages.ready().await {
        tracing::warn!("not ready: {reason} (/readyz says when it is)");
        return;
    }
    let missing = stages.status().await.into_iter().find(|check| check.problem.is_some());
    match missing {
        None => tracing::info!("ready"),
        Some(check) => {
            tracing::warn!("ready, but not every sponsorship could succeed now: {check} (/status has the rest)");
        }
    }
}

async fn join_all(tasks: &mut Tasks) -> Result<(), Error> {
    let mut outcome = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.map_err(|problem| Error::Run(problem.to_string()));
        let ended = ended.and_then(|(name, end)| end.map_err(|problem| Error::Run(format!("{name}: {problem}"))));
        outcome = outcome.and(ended);
    }
    outcome
}
