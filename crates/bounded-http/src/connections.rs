//! Connections that are kept for later requests, and replaced if no answers arrive over them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Client;

/// Connections younger than this are not replaced: creating a client reads the system's
/// certificates.
const YOUNG: Duration = Duration::from_secs(1);

type Make = dyn Fn() -> reqwest::Result<Client> + Send + Sync;

/// A client whose connections can be replaced. A host that disappears silently leaves connections
/// behind on which no answer arrives, and there may be many of them.
#[derive(Clone)]
pub struct Connections {
    make: Arc<Make>,
    current: Arc<Mutex<(Client, Instant)>>,
}

impl Connections {
    /// Creates the client; it connects on the first request.
    ///
    /// # Errors
    /// Those of `make`, which creates the client.
    pub fn new(make: impl Fn() -> reqwest::Result<Client> + Send + Sync + 'static) -> reqwest::Result<Self> {
        let current = Arc::new(Mutex::new((make()?, Instant::now())));
        Ok(Self { make: Arc::new(make), current })
    }

    /// The current client.
    #[must_use]
    pub fn client(&self) -> Client {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Makes later requests use new connections. Called by probes while nothing is answered.
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
