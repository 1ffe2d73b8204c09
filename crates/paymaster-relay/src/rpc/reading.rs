//! Requests of one client are parsed one at a time, whatever number of connections they come over:
//! a client that sends much makes its own requests wait, and others wait for one of them at most.

use std::sync::{Arc, Mutex, PoisonError};

use serve::Client;
use tokio::sync::OwnedMutexGuard;

use crate::turns::Turns;

/// The turns of clients at having a request parsed.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadingTurns(Arc<Turns<Client>>);

impl ReadingTurns {
    /// A request of that client, whose bytes are not all there yet.
    pub(super) fn of(&self, client: Client) -> Reading {
        Reading { turns: self.clone(), client, turn: Arc::default() }
    }
}

/// A request that is to be parsed; an extension of it. The turn lasts until it is told to end, or
/// the request is dropped.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    turns: ReadingTurns,
    client: Client,
    turn: Arc<Mutex<Option<OwnedMutexGuard<()>>>>,
}

impl Reading {
    /// Waits for the client's turn.
    pub(super) async fn begin(&self) {
        let turn = self.turns.0.of(self.client).lock_owned().await;
        *self.turn() = Some(turn);
    }

    /// The request is parsed, or refused.
    pub(super) fn end(&self) {
        *self.turn() = None;
    }

    fn turn(&self) -> std::sync::MutexGuard<'_, Option<OwnedMutexGuard<()>>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_client_waits_for_its_own_requests_and_for_nobody_elses() {
        let turns = ReadingTurns::default();
        let [one, other] = [1, 2].map(|last| Client::Address(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))));
        let first = turns.of(one);
        first.begin().await;
        let second = turns.of(one);
        let mut waiting = Box::pin(second.begin());
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(turns.of(other).begin().now_or_never().is_some());
        first.clone().end();
        assert!(waiting.now_or_never().is_some());
        // Who hangs up gives it back.
        drop((first, second));
        assert!(turns.of(one).begin().now_or_never().is_some());
    }
}
