//! Deposits, remembered for a second: they change with blocks, not with requests.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::Wei;
use tokio::sync::RwLock;

use super::{ChainError, EntryPointReader};
use crate::catalogue::Deployment;

const FRESH: Duration = Duration::from_secs(1);

pub(crate) struct Deposits {
    chain: Arc<dyn EntryPointReader>,
    known: RwLock<HashMap<Deployment, (Wei, Instant)>>,
}

impl Deposits {
    pub(crate) fn new(chain: Arc<dyn EntryPointReader>) -> Self {
        Self { chain, known: RwLock::default() }
    }

    pub(crate) async fn of(&self, deployment: &Deployment) -> Result<Wei, ChainError> {
        if let Some((deposit, read_at)) = self.known.read().await.get(deployment)
            && read_at.elapsed() < FRESH
        {
            return Ok(*deposit);
        }
        let deposit = self.chain.deposit(deployment).await?;
        self.known.write().await.insert(*deployment, (deposit, Instant::now()));
        Ok(deposit)
    }

    /// Before a reservation is given back because its operation was mined: the deposit shrank with it.
    pub(crate) async fn forget(&self, deployment: &Deployment) {
        self.known.write().await.remove(deployment);
    }
}
