//! Signals that end the process.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::Error;

/// Why the process should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// SIGTERM: from a supervisor; a load balancer may still send requests.
    Terminate,
    /// SIGINT: from a person, who waits for the end.
    Interrupt,
}

/// SIGTERM and SIGINT, in order of arrival.
pub struct Endings {
    terminate: Signal,
    interrupt: Signal,
}

impl Endings {
    /// From now on neither signal ends the process by itself.
    pub fn listen() -> Result<Self, Error> {
        let listen = |kind| signal(kind).map_err(|problem| Error::Start(format!("signals: {problem}")));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// The next signal.
    pub async fn next(&mut self) -> Ending {
        tokio::select! {
            _ = self.terminate.recv() => Ending::Terminate,
            _ = self.interrupt.recv() => Ending::Interrupt,
        }
    }
}
