//! Paymasters on the chain, remembered for a second: they change with blocks, not with requests.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::RwLock;

use super::{ChainError, EntryPointReader, PaymasterState};
use crate::catalogue::Deployment;

const FRESH: Duration = Duration::from_secs(1);

pub(crate) struct Paymasters {
    chain: Arc<dyn EntryPointReader>,
    known: RwLock<HashMap<Deployment, (PaymasterState, Instant)>>,
}

impl Paymasters {
    pub(crate) fn new(chain: Arc<dyn EntryPointReader>) -> Self {
        Self { chain, known: RwLock::default() }
    }

    pub(crate) async fn of(&self, deployment: &Deployment) -> Result<PaymasterState, ChainError> {
        if let Some((state, read_at)) = self.known.read().await.get(deployment)
            && read_at.elapsed() < FRESH
        {
            return Ok(*state);
        }
        let state = self.chain.paymaster(deployment).await?;
        self.known.write().await.insert(*deployment, (state, Instant::now()));
        Ok(state)
    }

    /// Before a reservation is given back because its operation was mined: the deposit shrank with it.
    pub(crate) async fn forget(&self, deployment: &Deployment) {
        self.known.write().await.remove(deployment);
    }
}
