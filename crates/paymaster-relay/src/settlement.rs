//! Settlement: what was mined is no longer reserved, once its block is final. Reads the chain's own words,
//! `UserOperationEvent`, and remembers how far it read, so that a restart misses nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use proto::{UserOpHash, Wei};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::catalogue::Deployment;
use crate::chain::{ChainError, MinedOp};
use crate::error::RelayError;
use crate::outage::Outage;
use crate::relay::Relay;
use crate::store::{BlocksRead, Gwei, Settled, Settlement};

/// Blocks in one question; nodes refuse wide ones. Fewer where the answer is too long.
const AT_ONCE: u64 = 1000;

/// Unknown operations that were logged, each with its block, as long as that is read again.
#[derive(Debug, Default)]
pub(crate) struct Strangers(Mutex<HashMap<UserOpHash, u64>>);

impl Strangers {
    fn is_new(&self, hash: UserOpHash, block: u64) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(hash, block).is_none()
    }

    fn forget_before(&self, block: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, mined_in| *mined_in >= block);
    }
}

impl Relay {
    /// Settles every interval, until told to stop.
    pub async fn settle_regularly(&self, every: Duration, stop: CancellationToken) {
        let (mut ticks, mut outage) = (interval(every.max(Duration::from_secs(1))), Outage::new("settlement"));
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            outage.note(self.settle().await, self.needs());
        }
    }

    /// Reads what was mined since the last time, for every deployment; how many operations of ours there were.
    ///
    /// # Errors
    /// [`RelayError::ChainUnavailable`], [`RelayError::StoreUnavailable`]; asking again goes on from there.
    pub async fn settle(&self) -> Result<u64, RelayError> {
        let block = self.chain.latest_block().await?;
        self.note(block);
        let latest = block.number;
        let mut settled = 0;
        for deployment in self.catalogue.deployments() {
            settled += self.settle_deployment(deployment, latest).await?;
        }
        self.strangers.forget_before((latest + 1).saturating_sub(self.confirmations));
        Ok(settled)
    }

    async fn settle_deployment(&self, deployment: &Deployment, latest: u64) -> Result<u64, RelayError> {
        // The first time there is nothing of ours to find in older blocks.
        let next = self.store.next_block(deployment).await?.unwrap_or(latest);
        // A reorganisation may have put other operations into blocks that are not final, or made the chain shorter.
        let mut from = next.min(latest + 1).saturating_sub(self.confirmations).min(latest);
        let (mut settled, mut at_once) = (0, AT_ONCE);
        while from <= latest {
            let to = latest.min(from + at_once - 1);
            let mined = match self.chain.mined(deployment, from, to).await {
                Err(ChainError::AnswerTooLarge { .. }) if to > from => {
                    at_once = (to - from).div_ceil(2);
                    continue;
                }
                mined => mined?.iter().map(settlement_of).collect(),
            };
            let last_final = latest.checked_sub(self.confirmations);
            let read = BlocksRead { from, to, latest, last_final, mined };
            let Settled { ours, unknown, reorganised } = self.store.settle(deployment, &read).await?;
            settled += ours;
            for (user_op_hash, Settlement { block, .. }) in unknown {
                if self.strangers.is_new(user_op_hash, block) {
                    tracing::warn!(%user_op_hash, block, "the paymaster paid for an unknown operation");
                }
            }
            if reorganised > 0 {
                tracing::info!(reorganised, "mined operations were reorganised away and may be mined again");
            }
            from = to + 1;
        }
        Ok(settled)
    }
}

fn settlement_of(op: &MinedOp) -> (UserOpHash, Settlement) {
    let MinedOp { user_op_hash, block, cost, succeeded } = *op;
    let cost = Gwei::at_least(cost).unwrap_or(Gwei::at_most(Wei(u128::MAX)));
    (user_op_hash, Settlement { block, cost, succeeded })
}
