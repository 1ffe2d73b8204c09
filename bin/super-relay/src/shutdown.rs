//! Signals that end the process.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::Error;

/// Who wants the process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// SIGTERM: a supervisor, behind whom a load balancer may still send requests.
    Terminate,
    /// SIGINT: a person, who waits for it.
    Interrupt,
}

/// SIGTERM and SIGINT, as they come.
pub struct Endings {
    terminate: Signal,
    interrupt: Signal,
}

impl Endings {
    /// From now on neither ends the process by itself.
    pub fn listen() -> Result<Self, Error> {
        let listen = |kind| signal(kind).map_err(|problem| Error::Start(format!("signals: {problem}")));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// The next one.
    pub async fn next(&mut self) -> Ending {
        tokio::select! {
            _ = self.terminate.recv() => Ending::Terminate,
            _ = self.interrupt.recv() => Ending::Interrupt,
        }
    }
}
