//! Fair turns for what anyone may ask of the TEE: looking up accounts that the index does not know,
//! and messages of accounts. Each client has one at a time, and all clients together only a few:
//! however many requests a client has, another one waits only for its own and for at most one of
//! each client's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serve::Client;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::GatewayError;
use super::caller::{Caller, Principal};

/// How long a request waits for earlier ones: less than a relay waits for its answer. A queue of
/// such requests must not make the gateway appear to hang.
const PATIENCE: Duration = Duration::from_secs(1);

/// Maximum number of each kind at once. It leaves room for other calls in the TEE's queue.
const AT_ONCE: usize = 4;

/// The limit of lookups, as text.
pub(super) const LOOKUPS: &str = "1 unknown account per client and 4 in total";
/// The limit of messages, as text.
pub(super) const MESSAGES: &str = "1 message per client and 4 in total";
const _: () = assert!(AT_ONCE == 4, "the texts say it");

/// The origin of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Inquirer {
    /// This process, for the relay in it.
    Internal,
    /// A client; all requests whose client a trusted proxy does not name count as one.
    Client(Client),
}

impl Inquirer {
    pub(super) fn of(caller: &Caller) -> Self {
        match caller.principal {
            Principal::Internal | Principal::OwnRelay(_) => Self::Internal,
            _ => Self::Client(caller.client),
        }
    }
}

/// Rate-limits requests of one kind.
#[derive(Debug)]
pub(super) struct Strangers {
    /// One permit for each inquirer that asks or waits.
    of_inquirers: Mutex<HashMap<Inquirer, Arc<Semaphore>>>,
    /// First come, first served: each inquirer has at most one request here.
    all: Arc<Semaphore>,
    /// As text.
    limit: &'static str,
}

/// The right to ask the TEE. Its inquirer's next request waits until it is dropped.
#[derive(Debug)]
pub(super) struct StrangersTurn {
    _own: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Strangers {
    pub(super) fn new(limit: &'static str) -> Self {
        Self { of_inquirers: Mutex::default(), all: Arc::new(Semaphore::new(AT_ONCE)), limit }
    }

    /// Waits for a turn, for at most a second.
    ///
    /// # Errors
    /// `tee_busy`.
    pub(super) async fn turn(&self, inquirer: Inquirer) -> Result<StrangersTurn, GatewayError> {
        let own = {
            let mut turns = self.turns();
            // Inquirers that neither ask nor wait are forgotten.
            turns.retain(|_, turns| Arc::strong_count(turns) > 1);
            Arc::clone(turns.entry(inquirer).or_insert_with(|| Arc::new(Semaphore::new(1))))
        };
        let turn = async {
            let own = own.acquire_owned().await?;
            Ok::<_, AcquireError>(StrangersTurn { _own: own, _of_all: Arc::clone(&self.all).acquire_owned().await? })
        };
        let turn = timeout(PATIENCE, turn).await;
        turn.map_err(|_| GatewayError::TeeBusyInTurn { limit: self.limit, waited: PATIENCE })?
            .map_err(|_| GatewayError::Internal)
    }

    /// No panic under the lock can leave the map inconsistent.
    fn turns(&self) -> MutexGuard<'_, HashMap<Inquirer, Arc<Semaphore>>> {
        self.of_inquirers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn client(last: u8) -> Inquirer {
        Inquirer::Client(Client::Address(IpAddr::from([192, 0, 2, last])))
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_waits_only_for_its_own_lookups() {
        let strangers = Strangers::new(LOOKUPS);
        let first = strangers.turn(client(1)).await.unwrap();
        assert!(matches!(strangers.turn(client(1)).await, Err(GatewayError::TeeBusyInTurn { .. })));
        let others = [client(2), Inquirer::Internal];
        for other in others {
            strangers.turn(other).await.unwrap();
        }
        drop(first);
        strangers.turn(client(1)).await.unwrap();
    }

    #[tokio::test]
    async fn inactive_clients_are_forgotten() {
        let strangers = Strangers::new(LOOKUPS);
        let held = strangers.turn(client(0)).await.unwrap();
        for last in 1..=255 {
            strangers.turn(client(last)).await.unwrap();
        }
        assert_eq!(strangers.turns().len(), 2);
        drop(held);
    }
}
