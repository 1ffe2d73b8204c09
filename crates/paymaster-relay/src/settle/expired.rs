//! What is over: reservations whose window no block can be within any more. The logs may have
//! missed an operation (a backend whose log index lags, a node that keeps no old logs), and what
//! was mined must not be sponsored again. So the account's nonce has the last word.

use proto::Uint256;

use super::Settler;
use super::progress::MOST_IN_ROUND;
use super::pruned::first_given;
use crate::chain::{AccountOp, Block, ChainError};
use crate::error::RelayError;
use crate::store::{Contracts, Expired, SponsorshipId};

/// Reservations of one deployment that are looked at in one round.
const IN_ROUND: u32 = 10_000;
/// Blocks below the latest at most whose state is asked for: nodes keep that of the last 128.
const STATE_KEPT: u64 = 64;
/// Of those, reservations at most for which it is looked up what used their nonce.
const USED_IN_ROUND: usize = 100;
/// Questions in a row, at most, that the node does not answer: it is asked again in the next round.
const FRUITLESS: u32 = 4;
/// Questions about logs, at most, to find what used a nonce.
const MOST_QUESTIONS: u32 = 256;

/// What became of an operation whose window is over.
enum Fate {
    /// Nothing: its nonce is unused, or another operation's.
    NotMined,
    /// It was mined in this block, and settlement has missed it.
    Missed(u64),
    /// Its nonce was used, by it or by another.
    Unknown,
    /// The node did not tell: it is asked again in the next round.
    Untold(ChainError),
}

/// What a round has come to.
#[derive(Default)]
struct Round {
    released: u64,
    /// The lowest block whose operation settlement has missed.
    missed: Option<u64>,
    untold: Option<ChainError>,
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
        let outcome = self.release_all_expired().await;
        self.progress.note_release(&outcome);
        outcome
    }

    async fn release_all_expired(&self) -> Result<u64, RelayError> {
        // The counter exists before the first is released.
        self.metrics.reservations_expired(self.chain.id(), 0);
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
    ///
    /// # Errors
    /// The node's, where it told nothing about any of them; those that it told about are released.
    async fn release_at(
        &self,
        contracts: Contracts,
        latest: Block,
        last_final: u64,
        ended_before: u64,
    ) -> Result<u64, RelayError> {
        let expired = self.store.expired(contracts, ended_before, IN_ROUND).await?;
        if !self.is_configured(contracts) {
            // Nobody is asked: nothing is known of them.
            let ids = expired.into_iter().map(|expired| expired.id).collect();
            return self.release(ids, ended_before).await;
        }
        // The nonces, and the logs that explain them, are those up to this block: backends lag, and
        // forget old state.
        let at = latest.number.saturating_sub(self.confirmations().min(STATE_KEPT));
        let mut round = Round::default();
        let used = self.release_unused(&mut round, contracts, &expired, at, ended_before).await?;
        let mut not_mined = Vec::new();
        let mut fruitless = 0;
        for expired in used.into_iter().take(USED_IN_ROUND) {
            match self.fate(contracts, expired, at).await? {
                Fate::NotMined => not_mined.push(expired.id.clone()),
                Fate::Unknown => self.settle_at_worst_case(expired, ended_before, last_final).await?,
                Fate::Missed(block) => round.missed = Some(round.missed.map_or(block, |lowest| lowest.min(block))),
                Fate::Untold(error) => {
                    round.untold.get_or_insert(error);
                    fruitless += 1;
                    if fruitless < FRUITLESS {
                        continue;
                    }
                    break;
                }
            }
            fruitless = 0;
        }
        round.released += self.release(not_mined, ended_before).await?;
        if let Some(block) = round.missed {
            tracing::warn!(
                block,
                "the node's logs had missed an operation that was mined: they are read again from there on"
            );
            self.store.read_again_from(self.chain.id(), block, Some(latest.number)).await?;
        }
        match round.untold {
            Some(error) if round.released == 0 => Err(error.into()),
            Some(_) | None => Ok(round.released),
        }
    }

    /// Releases those whose nonce is unused, whatever has to be found out about the others: those
    /// whose nonce was used.
    async fn release_unused<'e>(
        &self,
        round: &mut Round,
        contracts: Contracts,
        expired: &'e [Expired],
        at: u64,
        ended_before: u64,
    ) -> Result<Vec<&'e Expired>, RelayError> {
        let (mut rest, mut used, mut fruitless) = (expired, Vec::new(), 0);
        while !rest.is_empty() && fruitless < FRUITLESS {
            let (part, others) = rest.split_at(rest.len().min(self.progress.nonces_at_once()));
            let Some(next) = self.next_nonces(contracts, part, at).await? else { continue };
            rest = others;
            fruitless += 1;
            let mut unused = Vec::new();
            for (expired, next) in part.iter().zip(next) {
                match next {
                    Ok(next) if next > expired.nonce => used.push(expired),
                    Ok(_) => unused.push(expired.id.clone()),
                    Err(error) => {
                        round.untold.get_or_insert(error);
                        continue;
                    }
                }
                fruitless = 0;
            }
            if fruitless == 0 {
                self.progress.more_nonces();
            }
            round.released += self.release(unused, ended_before).await?;
        }
        Ok(used)
    }

    async fn release(&self, ids: Vec<SponsorshipId>, ended_before: u64) -> Result<u64, RelayError> {
        let released = self.store.release_expired(ids, ended_before).await?;
        self.metrics.reservations_expired(self.chain.id(), released);
        Ok(released)
    }

    async fn settle_at_worst_case(
        &self,
        expired: &Expired,
        ended_before: u64,
        last_final: u64,
    ) -> Result<(), RelayError> {
        if self.store.settle_at_worst_case(&expired.id, ended_before, last_final).await? {
            let Expired { sender, nonce, .. } = expired;
            tracing::warn!(
                %sender,
                %nonce,
                "the nonce of an expired reservation was used, and no log tells by what: it is settled at its worst case"
            );
        }
        Ok(())
    }

    /// The accounts' next nonces. `None` where the node refused so many questions at once: the next
    /// time it is asked for fewer.
    async fn next_nonces(
        &self,
        contracts: Contracts,
        expired: &[Expired],
        at: u64,
    ) -> Result<Option<Vec<Result<Uint256, ChainError>>>, RelayError> {
        let accounts: Vec<_> = expired.iter().map(|expired| (expired.sender, expired.nonce)).collect();
        let next = match self.chain.reader.next_nonces(contracts.entry_point, &accounts, at).await {
            Ok(next) => next,
            Err(error @ (ChainError::Node { .. } | ChainError::AnswerTooLarge { .. })) => vec![Err(error)],
            Err(error) => return Err(error.into()),
        };
        if expired.len() > 1 && next.iter().all(Result::is_err) {
            self.progress.fewer_nonces(expired.len());
            return Ok(None);
        }
        Ok(Some(next))
    }

    /// What became of an operation whose nonce was used.
    async fn fate(&self, contracts: Contracts, expired: &Expired, at: u64) -> Result<Fate, RelayError> {
        let by = match self.what_used(contracts, expired, at).await {
            Ok(Some(by)) => by,
            Ok(None) => return Ok(Fate::Unknown),
            Err(error) => return Ok(Fate::Untold(error)),
        };
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

    /// The account's operation of that nonce, if it was mined since it was reserved, in a block
    /// whose logs the node keeps.
    async fn what_used(
        &self,
        contracts: Contracts,
        expired: &Expired,
        at: u64,
    ) -> Result<Option<AccountOp>, ChainError> {
        let Some(first) = expired.block else { return Ok(None) };
        let ask = |from, to| self.chain.reader.mined_of(contracts.entry_point, expired.sender, from, to);
        let mut from = first.max(at.saturating_sub(MOST_IN_ROUND));
        for _ in 0..MOST_QUESTIONS {
            if from > at {
                break;
            }
            let to = at.min(from.saturating_add(self.progress.at_once_of_account() - 1));
            match ask(from, to).await {
                Ok(ops) => {
                    if let Some(op) = ops.into_iter().find(|op| op.nonce == expired.nonce) {
                        self.progress.widen_of_account();
                        return Ok(Some(op));
                    }
                    from = to.saturating_add(1);
                }
                Err(ChainError::AnswerTooLarge { .. } | ChainError::Node { .. }) if to > from => {
                    self.progress.narrow_of_account(from, to);
                }
                Err(ChainError::Node { detail }) => {
                    let given = first_given(from, at, |block| ask(block, block)).await?;
                    from = given.ok_or(ChainError::Node { detail })?;
                }
                // As refused, but each one costs the node, or us, a long time: the next round asks
                // for fewer.
                Err(error) => {
                    self.progress.narrow_of_account(from, to);
                    return Err(error);
                }
            }
        }
        self.progress.widen_of_account();
        Ok(None)
    }
}
