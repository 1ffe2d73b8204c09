//! The chain at the pace that the node allows. Settlement has time, and sponsorships need the same
//! node: when the node says that it is asked too often, settlement asks less often, and repeats the
//! query.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::{Address, Hash, Uint256, Wei};
use tokio::time::sleep;

use crate::chain::{AccountOp, Block, ChainError, DepositEvent, EntryPointReader, Nonces};
use crate::deployment::Deployment;

/// The pause after the first query that was too many. It doubles with each further one.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Maximum number of times that a query is made: some 10 seconds.
const MOST_TRIES: u32 = 8;

/// A node whose rate is limited. Every query waits for the pause that the last answers suggest.
pub(super) struct PacedReader {
    reader: Arc<dyn EntryPointReader>,
    /// Before the next query.
    pause: Mutex<Duration>,
}

impl PacedReader {
    pub(super) fn new(reader: Arc<dyn EntryPointReader>) -> Self {
        Self { reader, pause: Mutex::default() }
    }

    pub(super) async fn latest_block(&self) -> Result<Block, ChainError> {
        self.ask(|| self.reader.latest_block()).await
    }

    pub(super) async fn block(&self, number: u64) -> Result<Block, ChainError> {
        self.ask(|| self.reader.block(number)).await
    }

    pub(super) async fn hash_of(&self, number: u64) -> Result<Option<Hash>, ChainError> {
        self.ask(|| self.reader.hash_of(number)).await
    }

    pub(super) async fn mined(
        &self,
        deployment: &Deployment,
        from: u64,
        to: u64,
    ) -> Result<Vec<AccountOp>, ChainError> {
        self.ask(|| self.reader.mined(deployment, from, to)).await
    }

    pub(super) async fn deposit_events(
        &self,
        deployment: &Deployment,
        from: u64,
        to: u64,
    ) -> Result<Vec<DepositEvent>, ChainError> {
        self.ask(|| self.reader.deposit_events(deployment, from, to)).await
    }

    pub(super) async fn deposit_at(&self, deployment: &Deployment, block: u64) -> Result<Wei, ChainError> {
        self.ask(|| self.reader.deposit_at(deployment, block)).await
    }

    pub(super) async fn mined_of(
        &self,
        entry_point: Address,
        sender: Address,
        from: u64,
        to: u64,
    ) -> Result<Vec<AccountOp>, ChainError> {
        self.ask(|| self.reader.mined_of(entry_point, sender, from, to)).await
    }

    pub(super) async fn next_nonces(
        &self,
        entry_point: Address,
        accounts: &[(Address, Uint256)],
        at: u64,
    ) -> Result<Nonces, ChainError> {
        self.ask(|| self.reader.next_nonces(entry_point, accounts, at)).await
    }

    /// # Errors
    /// [`ChainError::RateLimited`] if the node answers it every time.
    async fn ask<T, F>(&self, query: impl Fn() -> F) -> Result<T, ChainError>
    where
        F: Future<Output = Result<T, ChainError>>,
    {
        let mut tries = 1;
        loop {
            let pause = *self.pause();
            sleep(pause).await;
            match query().await {
                Err(ChainError::RateLimited { .. }) if tries < MOST_TRIES => {
                    let mut pause = self.pause();
                    *pause = (*pause * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
                    tries += 1;
                }
                Err(error @ ChainError::RateLimited { .. }) => return Err(error),
                answer => {
                    let mut pause = self.pause();
                    *pause = shorter(*pause);
                    return answer;
                }
            }
        }
    }

    fn pause(&self) -> MutexGuard<'_, Duration> {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// After an answer: by an eighth, and none at all once that is hardly any.
fn shorter(pause: Duration) -> Duration {
    if pause < SHORTEST_PAUSE / 8 { Duration::ZERO } else { pause - pause / 8 }
}
