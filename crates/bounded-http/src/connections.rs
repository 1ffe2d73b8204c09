//! Connections that are kept for the next question, and given up when nobody answers over them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Client;

/// Connections this young are not given up: making a client reads the system's certificates.
const YOUNG: Duration = Duration::from_secs(1);

type Make = dyn Fn() -> reqwest::Result<Client> + Send + Sync;

/// A client whose connections can be given up: a host that is gone without a word leaves
/// connections behind over which no answer comes, and there may be many of them.
#[derive(Clone)]
pub struct Connections {
    make: Arc<Make>,
    current: Arc<Mutex<(Client, Instant)>>,
}

impl Connections {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// That of `make`, which makes the client.
    pub fn new(make: impl Fn() -> reqwest::Result<Client> + Send + Sync + 'static) -> reqwest::Result<Self> {
        let current = Arc::new(Mutex::new((make()?, Instant::now())));
        Ok(Self { make: Arc::new(make), current })
    }

    /// The client to ask with.
    #[must_use]
    pub fn client(&self) -> Client {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// From now on questions are asked over new connections: for a probe, while nothing is
    /// answered.
    pub fn renew(&self) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.1.elapsed() < YOUNG {
            return;
        }
        if let Ok(client) = (self.make)() {
            *current = (client, Instant::now());
        }
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}
