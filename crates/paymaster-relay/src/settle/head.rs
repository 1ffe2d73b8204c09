//! Which latest block settlement goes by. One answer of a node takes nothing back: a backend of a
//! load balancer may lag by the whole chain, or tell of blocks that do not exist.

use proto::Hash;

use super::progress::MOST_IN_ROUND;
use super::{READ_AGAIN, Settler};
use crate::chain::{Block, ChainError};
use crate::error::RelayError;

impl Settler {
    /// The latest block. One that is up to [`READ_AGAIN`] below what was read is a reorganisation,
    /// or a node that lags a little. One that is lower still is believed only of a chain that was
    /// reset, which then is read anew.
    ///
    /// # Errors
    /// [`RelayError::ChainUnavailable`] also where the latest block is not believed;
    /// [`RelayError::StoreUnavailable`].
    pub(super) async fn believed_head(&self) -> Result<Block, RelayError> {
        let latest = self.chain.latest_block().await?;
        self.chain_time.note(latest);
        let read = self.store.highest_block().await?;
        match read {
            Some(read) if latest.number.saturating_add(READ_AGAIN) < read => {
                self.read_anew(latest.number, read).await?;
            }
            Some(read) if latest.number <= read.saturating_add(READ_AGAIN) => {}
            _ => {
                let furthest = read.map_or(latest.number, |read| latest.number.min(read.saturating_add(MOST_IN_ROUND)));
                if self.chain.hash_of(furthest).await?.is_none() {
                    return Err(ChainError::NoSuchBlock { latest: latest.number, missing: furthest }.into());
                }
            }
        }
        self.note_known(latest.number).await?;
        Ok(latest)
    }

    /// Begins anew on another chain.
    ///
    /// # Errors
    /// [`ChainError::Lags`] when it is the same one, or nobody can tell.
    async fn read_anew(&self, latest: u64, read: u64) -> Result<(), RelayError> {
        let known = self.store.known_blocks().await?;
        let is_other_chain = match known.iter().rev().find(|(number, _)| *number <= latest) {
            Some((number, hash)) => self.hash_if_told(*number).await?.is_some_and(|told| told != *hash),
            // Nothing was noted yet: the database is of an earlier version.
            None => known.is_empty(),
        };
        if !is_other_chain {
            return Err(ChainError::Lags { latest, read }.into());
        }
        tracing::warn!(
            read,
            latest,
            "the chain was reset: it is shorter than what settlement had read, and other blocks are in it; its last \
             {READ_AGAIN} blocks are read"
        );
        Ok(self.store.read_anew_from(latest.saturating_sub(READ_AGAIN)).await?)
    }

    /// Notes the first block, and the one that was final when settlement began: a development chain
    /// may begin with the same block each time.
    async fn note_known(&self, latest: u64) -> Result<(), RelayError> {
        let known = self.store.known_blocks().await?;
        let last_final = latest.saturating_sub(self.confirmations);
        let is_missing = |number: u64| match number {
            0 => known.is_empty(),
            _ => known.iter().all(|(known, _)| *known == 0),
        };
        for number in [0, last_final] {
            if is_missing(number)
                && let Some(hash) = self.hash_if_told(number).await?
            {
                self.store.note_known_block(number, hash).await?;
            }
        }
        Ok(())
    }

    /// `None` also where a node does not tell: there are some that keep no old blocks.
    async fn hash_if_told(&self, number: u64) -> Result<Option<Hash>, RelayError> {
        match self.chain.hash_of(number).await {
            Err(ChainError::Node { .. }) => Ok(None),
            told => Ok(told?),
        }
    }
}
