//! Whose turn it is to have the TEE asked about an account that the index does not know. Anyone may
//! ask, so each client asks for one at a time, and few of all of them at once: however many
//! questions one has, another waits for its own and for one of each client's at most.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serve::Client;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::GatewayError;
use super::caller::{Caller, Principal};

/// How long a question waits for those before it: less than a relay waits for its answer. A queue
/// of strangers must not look like a gateway that hangs.
const PATIENCE: Duration = Duration::from_secs(1);

/// Questions of all inquirers at once. The queue of the TEE has room for others beside them.
const AT_ONCE: usize = 4;

/// In words.
const LIMIT: &str = "1 unknown account of a client, and 4 of all clients,";
const _: () = assert!(AT_ONCE == 4, "LIMIT says it");

/// Who asks for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Inquirer {
    /// This process, for the relay in it.
    Internal,
    /// Whoever that is; all that a trusted proxy does not name are one.
    Client(Client),
}

impl Inquirer {
    pub(super) fn of(caller: &Caller) -> Self {
        match caller.principal {
            Principal::Internal => Self::Internal,
            _ => Self::Client(caller.client),
        }
    }
}

/// Rations questions.
#[derive(Debug)]
pub(super) struct Strangers {
    /// One place for each who asks or waits.
    of_inquirers: Mutex<HashMap<Inquirer, Arc<Semaphore>>>,
    /// First come, first served: nobody has more than one question here.
    all: Arc<Semaphore>,
}

/// The right to ask. Its inquirer's next question waits until it is dropped.
#[derive(Debug)]
pub(super) struct StrangersTurn {
    _own: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Default for Strangers {
    fn default() -> Self {
        Self { of_inquirers: Mutex::default(), all: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Strangers {
    /// Waits for a turn, for a second at most.
    ///
    /// # Errors
    /// `tee_busy`.
    pub(super) async fn turn(&self, inquirer: Inquirer) -> Result<StrangersTurn, GatewayError> {
        let own = {
            let mut turns = self.turns();
            // Who neither asks nor waits is forgotten.
            turns.retain(|_, turns| Arc::strong_count(turns) > 1);
            Arc::clone(turns.entry(inquirer).or_insert_with(|| Arc::new(Semaphore::new(1))))
        };
        let turn = async {
            let own = own.acquire_owned().await?;
            Ok::<_, AcquireError>(StrangersTurn { _own: own, _of_all: Arc::clone(&self.all).acquire_owned().await? })
        };
        let turn = timeout(PATIENCE, turn).await;
        turn.map_err(|_| GatewayError::TeeBusyInTurn { limit: LIMIT, waited: PATIENCE })?
            .map_err(|_| GatewayError::Internal)
    }

    /// Nothing that is done under the lock can leave it half changed.
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
    async fn a_client_waits_for_its_own_questions_alone() {
        let strangers = Strangers::default();
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
    async fn who_neither_asks_nor_waits_is_forgotten() {
        let strangers = Strangers::default();
        let held = strangers.turn(client(0)).await.unwrap();
        for last in 1..=255 {
            strangers.turn(client(last)).await.unwrap();
        }
        assert_eq!(strangers.turns().len(), 2);
        drop(held);
    }
}
