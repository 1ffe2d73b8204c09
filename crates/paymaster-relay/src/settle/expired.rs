//! Expired reservations: no future block can fall inside their windows. The logs may have missed an
//! operation (a backend whose log index lags, a node that keeps no old logs), and an operation that
//! was mined must not be sponsored again. So the account's nonce has the last word: if it is
//! unused, the reservation is released here; otherwise [`used`](super::used) finds out what used
//! it.

use super::Settler;
use super::progress::Failure;
use super::used::Used;
use crate::chain::{Block, ChainError, Nonces};
use crate::error::RelayError;
use crate::store::{Contracts, Expired, SponsorshipId};

/// Maximum number of reservations of one deployment per round.
const IN_ROUND: u32 = 10_000;
/// Maximum distance, in blocks, from the latest block to the one whose state is read: nodes keep
/// the state of the last 128.
const STATE_KEPT: u64 = 64;
/// Maximum number of reservations in one job of the writer, since other jobs wait for it.
const IN_JOB: usize = 256;
/// Consecutive batches without any answer after which the round ends.
const FRUITLESS: u32 = 4;

impl Settler {
    /// Releases the reservations whose nonce is unused, and which no future block can contain: a
    /// final block is past the window, and settlement has read all blocks up to that one without
    /// finding the operation. On an idle chain nothing is released, since the next block may still
    /// be within the window; nor while blocks are from the future, since the node alone does not
    /// decide whether a window is over. Returns how many were released.
    ///
    /// Those whose nonce was used are left to [`Self::release_used`].
    ///
    /// # Errors
    /// [`RelayError::ChainUnavailable`] also if the node answers for none of the reservations;
    /// [`RelayError::StoreUnavailable`].
    pub async fn release_unused(&self) -> Result<u64, RelayError> {
        let outcome = self.release_all_unused().await;
        self.progress.note_release(&outcome);
        outcome.map_err(|failure| failure.error)
    }

    async fn release_all_unused(&self) -> Result<u64, Failure> {
        // The counter exists before the first is released.
        self.metrics.reservations_expired(self.chain.id(), 0);
        let latest = self.reader.latest_block().await?;
        let now = self.chain.time.note(latest);
        if now.is_host_behind() {
            return Ok(0);
        }
        let Some(last_final) = latest.number.checked_sub(self.confirmations()) else {
            return Ok(0);
        };
        let (mut released, mut all_used, mut failed) = (0, Vec::new(), None);
        for (contracts, next) in self.store.next_blocks(self.chain.id()).await? {
            let Some(number) = self.last_settled(contracts, next, last_final) else { continue };
            // A failure at one deployment keeps nothing reserved at the others.
            match self.release_unused_of(contracts, number, latest, now.bound()).await {
                Ok((more, used)) => {
                    released += more;
                    all_used.extend(used);
                }
                Err(error) => failed = Some(self.at(contracts, error)),
            }
        }
        self.note_used(all_used);
        failed.map_or(Ok(released), Err)
    }

    /// The newest block up to which settlement has read only blocks that were final then; `None`
    /// while the chain is too short. For contracts that are no longer configured nothing is read:
    /// it is the last final block.
    fn last_settled(&self, contracts: Contracts, next: u64, last_final: u64) -> Option<u64> {
        if !self.is_configured(contracts) {
            return Some(last_final);
        }
        next.checked_sub(1)?.checked_sub(self.confirmations()).filter(|number| *number <= last_final)
    }

    fn is_configured(&self, contracts: Contracts) -> bool {
        self.chain.catalogue.deployments().iter().any(|deployment| Contracts::from(deployment) == contracts)
    }

    /// How many were released of those whose window ended before that block, and before the `bound`
    /// (Unix seconds); and those whose nonce was used, if the deployment is configured.
    async fn release_unused_of(
        &self,
        contracts: Contracts,
        last_settled: u64,
        latest: Block,
        bound: u64,
    ) -> Result<(u64, Option<Used>), RelayError> {
        let block = if last_settled == latest.number { latest } else { self.reader.block(last_settled).await? };
        let ended_before = block.timestamp.min(bound);
        let expired = self.store.expired(contracts, ended_before, IN_ROUND).await?;
        if !self.is_configured(contracts) {
            // Nothing is known of these contracts, so nobody is asked.
            let ids = expired.into_iter().map(|expired| expired.id).collect();
            self.store.close_final(contracts, last_settled).await?;
            return Ok((self.release(ids, ended_before).await?, None));
        }
        // Backends lag behind the latest block, and forget old state.
        let at = latest.number.saturating_sub(self.confirmations().min(STATE_KEPT));
        let latest = latest.number;
        let mut all_used = Used { contracts, at, latest, ended_before, expired: Vec::new(), is_complete: false };
        let (mut rest, mut released, mut fruitless, mut untold) = (&expired[..], 0, 0, None);
        while !rest.is_empty() && fruitless < FRUITLESS {
            let (part, others) = rest.split_at(rest.len().min(self.progress.nonces_at_once()));
            let told = match self.next_nonces(contracts, part, at).await {
                Ok(Some(told)) => told,
                Ok(None) => continue,
                // What the node told before counts.
                Err(error) => {
                    untold = Some(error);
                    break;
                }
            };
            rest = others;
            all_used.at = all_used.at.max(told.at);
            fruitless += 1;
            let mut unused = Vec::new();
            for (expired, next) in part.iter().zip(told.next) {
                match next {
                    Ok(next) if next > expired.nonce => all_used.expired.push(expired.clone()),
                    Ok(_) => unused.push(expired.id.clone()),
                    Err(error) => {
                        untold.get_or_insert(error);
                        continue;
                    }
                }
                fruitless = 0;
            }
            if fruitless == 0 {
                self.progress.more_nonces();
            }
            released += self.release(unused, ended_before).await?;
        }
        all_used.is_complete = rest.is_empty() && untold.is_none() && expired.len() < IN_ROUND as usize;
        match untold {
            Some(error) if released == 0 && all_used.expired.is_empty() => Err(error.into()),
            Some(_) | None => Ok((released, Some(all_used))),
        }
    }

    pub(super) async fn release(&self, ids: Vec<SponsorshipId>, ended_before: u64) -> Result<u64, RelayError> {
        let mut released = 0;
        for ids in ids.chunks(IN_JOB) {
            let these = self.store.release_expired(ids.to_vec(), ended_before).await?;
            self.metrics.reservations_expired(self.chain.id(), these);
            released += these;
        }
        Ok(released)
    }

    /// The accounts' next nonces. `None` if the node refused that many queries at once: the next
    /// time it is queried for fewer.
    async fn next_nonces(
        &self,
        contracts: Contracts,
        expired: &[Expired],
        at: u64,
    ) -> Result<Option<Nonces>, ChainError> {
        let accounts: Vec<_> = expired.iter().map(|expired| (expired.sender, expired.nonce)).collect();
        let told = match self.reader.next_nonces(contracts.entry_point, &accounts, at).await {
            Ok(told) => told,
            // A batch may be over the rate by itself.
            Err(
                error @ (ChainError::Node { .. }
                | ChainError::RateLimited { .. }
                | ChainError::AnswerTooLarge { .. }
                | ChainError::NoncesNotRead { .. }),
            ) => Nonces { at, next: vec![Err(error)] },
            Err(error) => return Err(error),
        };
        if expired.len() > 1 && told.next.iter().all(Result::is_err) {
            self.progress.fewer_nonces(expired.len());
            return Ok(None);
        }
        Ok(Some(told))
    }
}
