//! What is over: reservations whose window no block can be within any more. The logs may have
//! missed an operation (a backend whose log index lags, a node that keeps no old logs), and what
//! was mined must not be sponsored again. So the account's nonce has the last word.

use std::collections::HashMap;

use proto::{Address, Uint256};

use super::Settler;
use super::progress::MOST_IN_ROUND;
use super::pruned::first_given;
use crate::chain::{AccountOp, Block, ChainError};
use crate::error::RelayError;
use crate::store::{Contracts, Expired};

/// Reservations that are looked at together: one JSON-RPC batch asks for all their nonces.
const AT_ONCE: u32 = 100;
/// Blocks below the latest at most whose state is asked for: nodes keep that of the last 128.
const STATE_KEPT: u64 = 64;

/// Questions about logs, at most, to find what used the nonces of those.
const MOST_QUESTIONS: u32 = 256;

/// What became of an operation whose window is over.
enum Fate {
    /// Nothing: its nonce is unused, or another operation's.
    NotMined,
    /// It was mined in this block, and settlement has missed it.
    Missed(u64),
    /// Its nonce was used, by it or by another.
    Unknown,
}

impl Settler {
    /// Releases what no block can contain any more: a final block is past the window, settlement
    /// has read all up to that one without finding it, and its nonce is unused, or was used by
    /// another operation. On a chain that is idle nothing is released, since the next block may
    /// still be within it. Nor is anything while blocks are from the future: whether a window is
    /// over is not for the node alone to say.
    ///
    /// Where the nonce was used and nothing tells by what, the reservation is settled at its worst
    /// case. How many were released.
    ///
    /// # Errors
    /// [`RelayError::ChainUnavailable`], [`RelayError::StoreUnavailable`].
    pub async fn release_expired(&self) -> Result<u64, RelayError> {
        let latest = self.chain.reader.latest_block().await?;
        let now = self.chain.time.note(latest);
        if now.is_host_behind() {
            return Ok(0);
        }
        let Some(last_final) = latest.number.checked_sub(self.confirmations()) else {
            return Ok(0);
        };
        let (mut block, mut released) = (latest, 0);
        for (contracts, next) in self.store.next_blocks(self.chain.id()).await? {
            let Some(number) = self.last_settled(contracts, next, last_final) else { continue };
            if number != block.number {
                block = self.chain.reader.block(number).await?;
            }
            let ended_before = block.timestamp.min(now.bound());
            released += self.release_at(contracts, latest, last_final, ended_before).await?;
        }
        self.metrics.reservations_expired(self.chain.id(), released);
        Ok(released)
    }

    /// The newest block up to which settlement has read only blocks that were final then; `None`
    /// while the chain is shorter than that. At contracts that are no longer configured nothing is
    /// read: the last final block.
    fn last_settled(&self, contracts: Contracts, next: u64, last_final: u64) -> Option<u64> {
        if !self.is_configured(contracts) {
            return Some(last_final);
        }
        next.checked_sub(1)?.checked_sub(self.confirmations()).filter(|number| *number <= last_final)
    }

    fn is_configured(&self, contracts: Contracts) -> bool {
        self.chain.catalogue.deployments().iter().any(|deployment| Contracts::from(deployment) == contracts)
    }

    /// How many were released of those at these contracts whose window ended before that time.
    async fn release_at(
        &self,
        contracts: Contracts,
        latest: Block,
        last_final: u64,
        ended_before: u64,
    ) -> Result<u64, RelayError> {
        let mut released = 0;
        loop {
            let expired = self.store.expired(contracts, ended_before, AT_ONCE).await?;
            let is_all = expired.len() < AT_ONCE as usize;
            let (mut not_mined, mut unknown, mut missed) = (Vec::new(), Vec::new(), None);
            for (expired, fate) in self.fates(contracts, expired, latest).await? {
                match fate {
                    Fate::NotMined => not_mined.push(expired.id),
                    Fate::Unknown => unknown.push(expired),
                    Fate::Missed(block) => missed = Some(missed.map_or(block, |lowest: u64| lowest.min(block))),
                }
            }
            released += self.store.release_expired(not_mined, ended_before).await?;
            for Expired { id, sender, nonce, .. } in unknown {
                if self.store.settle_at_worst_case(&id, ended_before, last_final).await? {
                    tracing::warn!(
                        %sender,
                        %nonce,
                        "the nonce of an expired reservation was used, and no log tells by what: it is settled at its worst case"
                    );
                }
            }
            if let Some(block) = missed {
                tracing::warn!(
                    block,
                    "the node's logs had missed an operation that was mined: they are read again from there on"
                );
                self.store.read_again_from(self.chain.id(), block, Some(latest.number)).await?;
                return Ok(released);
            }
            if is_all {
                return Ok(released);
            }
        }
    }

    /// At contracts that are no longer configured nobody is asked: nothing is known of them.
    async fn fates(
        &self,
        contracts: Contracts,
        expired: Vec<Expired>,
        latest: Block,
    ) -> Result<Vec<(Expired, Fate)>, RelayError> {
        if expired.is_empty() || !self.is_configured(contracts) {
            return Ok(expired.into_iter().map(|expired| (expired, Fate::NotMined)).collect());
        }
        let accounts: Vec<_> = expired.iter().map(|expired| (expired.sender, expired.nonce)).collect();
        let at = latest.number.saturating_sub(self.confirmations().min(STATE_KEPT));
        let next = self.chain.reader.next_nonces(contracts.entry_point, &accounts, at).await?;
        let (used, unused): (Vec<_>, Vec<_>) =
            expired.into_iter().zip(next).partition(|(expired, next)| *next > expired.nonce);
        let mut fates: Vec<_> = unused.into_iter().map(|(expired, _)| (expired, Fate::NotMined)).collect();
        let used: Vec<_> = used.into_iter().map(|(expired, _)| expired).collect();
        let mined = self.what_used(contracts, &used, latest).await?;
        for expired in used {
            let fate = self.fate(contracts, &expired, mined.get(&(expired.sender, expired.nonce))).await?;
            fates.push((expired, fate));
        }
        Ok(fates)
    }

    /// What became of an operation whose nonce was used, as far as is known by what.
    async fn fate(&self, contracts: Contracts, expired: &Expired, by: Option<&AccountOp>) -> Result<Fate, RelayError> {
        let Some(by) = by else { return Ok(Fate::Unknown) };
        if by.paymaster != contracts.paymaster {
            return Ok(Fate::NotMined);
        }
        let ours = self.store.sponsorships_of(&by.user_op_hash).await?;
        Ok(match ours.contains(&expired.id) {
            true => Fate::Missed(by.block),
            false if ours.is_empty() => Fate::Unknown,
            false => Fate::NotMined,
        })
    }

    /// The operations of these accounts that were mined since the first of these was reserved, as
    /// far as the node keeps the logs.
    async fn what_used(
        &self,
        contracts: Contracts,
        used: &[Expired],
        latest: Block,
    ) -> Result<HashMap<(Address, Uint256), AccountOp>, RelayError> {
        let (mut senders, mut mined) = (used.iter().map(|expired| expired.sender).collect::<Vec<_>>(), HashMap::new());
        senders.sort_unstable();
        senders.dedup();
        let Some(first) = used.iter().filter_map(|expired| expired.block).min() else { return Ok(mined) };
        let ask = |from, to| self.chain.reader.mined_of(contracts.entry_point, &senders, from, to);
        let mut from = first.max(latest.number.saturating_sub(MOST_IN_ROUND));
        let mut at_once = self.progress.at_once();
        for _ in 0..MOST_QUESTIONS {
            if from > latest.number {
                break;
            }
            let to = latest.number.min(from.saturating_add(at_once - 1));
            match ask(from, to).await {
                Ok(ops) => {
                    mined.extend(ops.into_iter().map(|op| ((op.sender, op.nonce), op)));
                    from = to.saturating_add(1);
                }
                Err(ChainError::AnswerTooLarge { .. } | ChainError::Node { .. }) if to > from => {
                    at_once = (to - from).div_ceil(2);
                }
                Err(ChainError::Node { detail }) => {
                    let given = first_given(from, latest.number, |block| ask(block, block)).await?;
                    from = given.ok_or(ChainError::Node { detail })?;
                    at_once = self.progress.at_once();
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(mined)
    }
}
