//! What used the nonces of expired reservations. Looking that up takes as long as the node takes
//! for its logs, so it runs beside the release of the others ([`expired`](super::expired)).

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::mem::take;
use std::sync::PoisonError;

use proto::{Address, Uint256, Wei};
use tokio::time::sleep;

use super::account_logs::{Account, Reading};
use super::progress::MOST_IN_ROUND;
use super::pruned::{REFUSED_ROUNDS, first_given};
use super::width::Width;
use super::{PAUSE, Settler, settlement_of};
use crate::chain::{AccountOp, ChainError};
use crate::error::RelayError;
use crate::store::{Contracts, Expired, Settlement, SponsorshipId};

/// Maximum number of queries of the logs of accounts per round and deployment: the node has others
/// to answer, too.
const MOST_QUERIES: u32 = 256;
/// Consecutive accounts without an answer after which the round ends.
const FRUITLESS: u32 = 4;

/// Expired reservations of one deployment whose nonces were used.
#[derive(Debug)]
pub(super) struct Used {
    pub(super) contracts: Contracts,
    /// The block up to which the nonces were read.
    pub(super) at: u64,
    /// The latest block at that time.
    pub(super) latest: u64,
    /// Their windows ended before this time, in Unix seconds.
    pub(super) ended_before: u64,
    pub(super) expired: Vec<Expired>,
    /// Whether these are all that there are.
    pub(super) is_complete: bool,
}

/// What became of an operation whose nonce was used.
enum Fate {
    /// It was not mined: another operation used its nonce.
    Replaced,
    /// It was mined, and settlement has missed it.
    Missed(Settlement),
    /// It was mined for an earlier sponsorship of the same intent, which has its cost.
    MinedBefore(Settlement),
    /// It was mined, in a block that is not final yet; or that is not known yet.
    Later,
    /// An operation of an unknown hash was mined, for this price: it may be this one, whose
    /// paymaster data the account changed where the contract allows it.
    MinedAsAnother(Settlement),
    /// No log tells which operation used the nonce.
    Unknown,
}

/// What is known of the operations of an account.
struct Known {
    /// By nonce.
    mined: HashMap<Uint256, AccountOp>,
    /// The reservations for which all logs were read.
    read_for: HashSet<SponsorshipId>,
}

impl Settler {
    /// Looks up what used the nonces that the last [`Self::release_unused`] found used.
    /// Reservations whose operation was replaced are released; if the operation was mined, it is
    /// settled at the cost in its log; if no log tells, at its worst-case cost.
    /// Returns how many were released. Does nothing if there was no such call since the last one.
    ///
    /// # Errors
    /// [`RelayError::ChainUnavailable`] if the node answers for none of the accounts;
    /// [`RelayError::StoreUnavailable`].
    pub async fn release_used(&self) -> Result<u64, RelayError> {
        let (mut released, mut outcome) = (0, Ok(0));
        let all_used = take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(all_used) = all_used else { return Ok(0) };
        // Of a deployment whose nonces were not read nothing is known.
        for Used { contracts, expired, .. } in all_used.iter().filter(|used| used.is_complete) {
            let senders = expired.iter().map(|expired| expired.sender).collect();
            self.account_logs.keep_only(*contracts, &senders);
        }
        for used in all_used {
            let contracts = used.contracts;
            match self.release_replaced(used).await {
                Ok(more) => released += more,
                Err(error) => outcome = Err(self.at(contracts, error)),
            }
        }
        let outcome = outcome.map(|_: u64| released);
        self.progress.note_used(&outcome);
        outcome.map_err(|failure| failure.error)
    }

    /// For the next [`Self::release_used`].
    pub(super) fn note_used(&self, used: Vec<Used>) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Some(used);
    }

    async fn release_replaced(&self, used: Used) -> Result<u64, RelayError> {
        let Used { contracts, at, latest, ended_before, expired, .. } = used;
        let mut by_sender = HashMap::<Address, Vec<Expired>>::new();
        for expired in expired {
            by_sender.entry(expired.sender).or_default().push(expired);
        }
        let last_final = latest.saturating_sub(self.confirmations());
        let (mut released, mut fruitless, mut untold, mut queries) = (0, 0, None, MOST_QUERIES);
        for (sender, mut expired) in by_sender {
            // Reservations of earlier versions did not record their block.
            let recent = at.saturating_sub(MOST_IN_ROUND);
            // A block after this one does not exist: the node had reported one that does not.
            let block_of = |expired: &Expired| expired.block.filter(|block| *block <= at).unwrap_or(recent);
            let first = expired.iter().map(block_of).min().unwrap_or(recent);
            let of = expired.iter().map(|expired| expired.id.clone()).collect();
            let reading = self.account_logs.resume(Account { contracts, sender }, first, at, of);
            let (known, failure) = self.operations_of(Account { contracts, sender }, reading, at, &mut queries).await;
            // The one that may have been mined is the one that costs most.
            expired.sort_by_key(|expired| Reverse(expired.max_cost));
            let mut replaced = Vec::new();
            for expired in expired {
                match self.fate(contracts, &expired, &known, last_final).await? {
                    Fate::Replaced => replaced.push(expired.id),
                    Fate::Later => {}
                    Fate::Missed(settlement) => self.settle_missed(&expired, ended_before, &settlement).await?,
                    Fate::MinedBefore(settlement) => {
                        self.store.settle_missed(&expired.id, ended_before, &settlement).await?;
                    }
                    Fate::MinedAsAnother(Settlement { block, cost, .. }) => {
                        self.settle_unknown(&expired, ended_before, block, cost).await?;
                    }
                    Fate::Unknown => {
                        self.settle_unknown(&expired, ended_before, last_final, expired.max_cost.to_wei()).await?;
                    }
                }
            }
            released += self.release(replaced, ended_before).await?;
            match failure {
                None => fruitless = 0,
                Some(error) => {
                    let is_limited = matches!(error, ChainError::RateLimited { .. });
                    untold.get_or_insert(error);
                    fruitless += 1;
                    if is_limited || fruitless >= FRUITLESS {
                        break;
                    }
                }
            }
            if queries == 0 {
                break;
            }
        }
        match untold {
            Some(error) if released == 0 => Err(error.into()),
            Some(_) | None => Ok(released),
        }
    }

    async fn fate(
        &self,
        contracts: Contracts,
        expired: &Expired,
        known: &Known,
        last_final: u64,
    ) -> Result<Fate, RelayError> {
        let Some(by) = known.mined.get(&expired.nonce) else {
            return Ok(if known.read_for.contains(&expired.id) { Fate::Unknown } else { Fate::Later });
        };
        if by.paymaster != contracts.paymaster {
            return Ok(Fate::Replaced);
        }
        let ours = self.store.sponsorships_of(&by.mined.user_op_hash).await?;
        let settlement = settlement_of(&by.mined).1;
        Ok(if ours.iter().all(|(_, intent)| *intent != expired.intent) && !ours.is_empty() {
            Fate::Replaced
        } else if settlement.block > last_final {
            Fate::Later
        } else if ours.is_empty() {
            Fate::MinedAsAnother(settlement)
        } else if ours.iter().any(|(id, _)| *id == expired.id) {
            Fate::Missed(settlement)
        } else {
            Fate::MinedBefore(settlement.paid_elsewhere())
        })
    }

    async fn settle_missed(
        &self,
        expired: &Expired,
        ended_before: u64,
        settlement: &Settlement,
    ) -> Result<(), RelayError> {
        if self.store.settle_missed(&expired.id, ended_before, settlement).await? {
            let (Expired { sender, nonce, .. }, Settlement { block, .. }) = (expired, settlement);
            tracing::warn!(
                %sender,
                %nonce,
                block,
                "a mined operation was missing in the logs of its block when they were read: it is settled by the log of its \
                 account"
            );
        }
        Ok(())
    }

    /// It may have been mined: it stays used up, at that cost.
    async fn settle_unknown(
        &self,
        expired: &Expired,
        ended_before: u64,
        block: u64,
        cost: Wei,
    ) -> Result<(), RelayError> {
        let is_settled = self.store.settle_unknown(&expired.id, ended_before, block, cost).await?;
        if is_settled && self.unknown_log.admits_line() {
            let Expired { sender, nonce, .. } = expired;
            tracing::warn!(
                %sender,
                %nonce,
                %cost,
                "the nonce of an expired reservation was used, and no log shows that it was by another operation: it is settled \
                 at the cost of the operation that was mined; without one, at its worst case"
            );
        }
        Ok(())
    }

    /// Reads on in the logs of an account, as far as the node keeps them, and in that many queries
    /// at most. What was read before an error is known. The node has the block `newest`.
    async fn operations_of(
        &self,
        account: Account,
        mut reading: Reading,
        newest: u64,
        queries: &mut u32,
    ) -> (Known, Option<ChainError>) {
        let mut failure = None;
        while reading.next <= reading.end && *queries > 0 {
            *queries -= 1;
            if let Err(error) = self.read_on(account, &mut reading, newest).await {
                failure = Some(error);
                break;
            }
        }
        if reading.next > reading.end {
            self.account_logs.finish(&reading);
            return (Known { mined: reading.mined, read_for: reading.of }, failure);
        }
        let known = Known { mined: reading.mined.clone(), read_for: HashSet::new() };
        self.account_logs.suspend(account, reading);
        (known, failure)
    }

    /// One query of the logs of an account.
    async fn read_on(&self, account: Account, reading: &mut Reading, newest: u64) -> Result<(), ChainError> {
        let Account { contracts, sender } = account;
        let from = reading.next;
        let to = reading.width.last_block(from, reading.end);
        let ask = |from, to| self.reader.mined_of(contracts.entry_point, sender, from, to);
        match ask(from, to).await {
            Ok(ops) => {
                reading.width.note_answered(from, to);
                reading.mined.extend(ops.into_iter().map(|op| (op.nonce, op)));
                reading.next = to.saturating_add(1);
                reading.refused = 0;
                Ok(())
            }
            // Without a block, the node has pruned it, or lags.
            Err(ChainError::AnswerTooLarge { .. } | ChainError::Node { .. } | ChainError::LogsLag { .. })
                if to > from =>
            {
                if reading.width.note_refused(from, to) {
                    sleep(PAUSE).await;
                }
                Ok(())
            }
            // As above, but each such query is slow: the next round requests fewer blocks.
            Err(error @ ChainError::LogsNotRead { .. }) if to > from => {
                reading.width.note_too_slow(from, to);
                Err(error)
            }
            // Not even one block: the number of blocks is not the reason. If each refusal takes
            // long, later rounds should get to that block at once.
            Err(refusal @ (ChainError::Node { .. } | ChainError::LogsLag { .. } | ChainError::LogsNotRead { .. }))
                if reading.refused < REFUSED_ROUNDS =>
            {
                reading.refused += 1;
                if !matches!(refusal, ChainError::LogsNotRead { .. }) {
                    reading.width = Width::default();
                }
                Err(refusal)
            }
            Err(refusal @ (ChainError::Node { .. } | ChainError::LogsLag { .. } | ChainError::LogsNotRead { .. })) => {
                // By now the node may have pruned all blocks of this reading.
                let first = first_given(from, newest, |block| ask(block, block)).await?.ok_or(refusal)?;
                self.account_logs.note_pruned(contracts, first);
                reading.next = first;
                Ok(())
            }
            // The node limits how often it is queried, or fails otherwise.
            Err(error) => Err(error),
        }
    }
}
