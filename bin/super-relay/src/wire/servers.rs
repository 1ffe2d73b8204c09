//! The tasks of a process: all run until one ends by itself or the process is told to stop, then all end in order.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::start_error;
use crate::error::Error;
use crate::ops::Readiness;
use crate::shutdown;

/// How long requests in flight may take to finish: longer than any of ours, shorter than the patience of Kubernetes.
const DRAIN: Duration = Duration::from_secs(20);

/// What runs, and the word that stops it.
pub struct Servers {
    tasks: JoinSet<(&'static str, io::Result<()>)>,
    stop: CancellationToken,
}

impl Servers {
    pub fn new() -> Self {
        Self { tasks: JoinSet::new(), stop: CancellationToken::new() }
    }

    /// Cancelled when everything shall end.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs a server; it must end soon after [`Self::stop`].
    pub fn serve(&mut self, name: &'static str, server: impl Future<Output = io::Result<()>> + Send + 'static) {
        self.tasks.spawn(async move { (name, server.await) });
    }

    /// Runs work that has no result.
    pub fn work(&mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.serve(name, async {
            work.await;
            Ok(())
        });
    }

    /// Says whether all is there, and runs until a signal comes, or a task ends that nobody told to.
    pub async fn run_until_stopped(&mut self, readiness: &dyn Readiness) -> Result<(), Error> {
        let signal = shutdown::on_signal()?;
        // What it asks may take its time to answer: a signal is heard meanwhile.
        let report = async {
            match readiness.ready().await {
                Ok(()) => tracing::info!("ready"),
                Err(reason) => tracing::warn!("serving, not ready: {reason} (/readyz says when it is)"),
            }
            std::future::pending::<()>().await;
        };
        let first = tokio::select! {
            () = signal.cancelled() => Ok(()),
            () = report => Ok(()),
            Some(ended) = self.tasks.join_next() => Err(match ended {
                Ok((name, Ok(()))) => Error::Run(format!("{name} ended by itself")),
                Ok((name, Err(problem))) => Error::Run(format!("{name}: {problem}")),
                Err(problem) => Error::Run(problem.to_string()),
            }),
        };
        first.and(self.finish().await)
    }

    /// Tells everything to stop, and waits until it has: requests in flight finish, those that never end are dropped.
    pub async fn finish(&mut self) -> Result<(), Error> {
        self.stop.cancel();
        if let Ok(outcome) = tokio::time::timeout(DRAIN, self.join_all()).await {
            return outcome;
        }
        tracing::warn!("some connections did not end in time; they are dropped");
        self.tasks.shutdown().await;
        Ok(())
    }

    async fn join_all(&mut self) -> Result<(), Error> {
        let mut outcome = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            let ended = ended.map_err(|problem| Error::Run(problem.to_string()));
            let ended = ended.and_then(|(name, end)| end.map_err(|problem| Error::Run(format!("{name}: {problem}"))));
            outcome = outcome.and(ended);
        }
        outcome
    }
}

/// Takes an address of the configuration.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(start_error(&format!("listen on {address}")))
}

/// The address that was taken, port 0 resolved.
pub fn local(listener: &TcpListener) -> Result<SocketAddr, Error> {
    listener.local_addr().map_err(start_error("listen"))
}
