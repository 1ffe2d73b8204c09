//! Nodes that keep only the logs of recent blocks. Operations mined in older ones are not read; the
//! nonces of the accounts reveal them when their reservations expire.

use std::future::Future;

use super::Settler;
use crate::chain::ChainError;
use crate::deployment::Deployment;
use crate::error::RelayError;

/// Rounds of settlement in which the logs of one block have to be refused until the node is assumed
/// to have pruned them.
pub(super) const REFUSED_ROUNDS: u32 = 10;

impl Settler {
    /// The first block whose logs the node returns, after it has refused those of `from` for
    /// [`REFUSED_ROUNDS`] rounds with that error, and returns those of the latest block.
    ///
    /// # Errors
    /// The node's refusal while it is not certain that these logs are pruned.
    pub(super) async fn first_not_pruned(
        &self,
        deployment: &Deployment,
        from: u64,
        latest: u64,
        refusal: ChainError,
    ) -> Result<u64, RelayError> {
        if self.progress.refused(deployment.into(), from) < REFUSED_ROUNDS {
            return Err(refusal.into());
        }
        let ask = |block| self.reader.mined(deployment, block, block);
        // Backends lag behind the latest block.
        let newest = latest.saturating_sub(self.confirmations());
        let Some(first) = first_given(from, newest, ask).await? else {
            return Err(refusal.into());
        };
        tracing::warn!(
            from,
            first,
            %refusal,
            "the node no longer has the logs of the blocks that were to be read: settlement continues at the first whose logs it \
             has. an operation that was mined before that is settled at its worst case once its window is over"
        );
        Ok(first)
    }
}

/// The first block whose logs the node returns for that query, after it refused those of `from`.
/// `None` if it also refuses those of `latest`, or returns those of earlier ones when queried
/// again: then it has them, and only failed.
///
/// # Errors
/// Those of the query, other than a refusal.
pub(super) async fn first_given<T, F>(from: u64, latest: u64, ask: impl Fn(u64) -> F) -> Result<Option<u64>, ChainError>
where
    F: Future<Output = Result<T, ChainError>>,
{
    if from >= latest || !is_given(ask(latest)).await? {
        return Ok(None);
    }
    let (mut refused, mut given) = (from, latest);
    while given - refused > 1 {
        let middle = refused + (given - refused) / 2;
        if is_given(ask(middle)).await? {
            given = middle;
        } else {
            refused = middle;
        }
    }
    let is_pruned = !is_given(ask(refused)).await? && !is_given(ask(from)).await?;
    Ok(is_pruned.then_some(given))
}

async fn is_given<T>(answer: impl Future<Output = Result<T, ChainError>>) -> Result<bool, ChainError> {
    match answer.await {
        Ok(_) => Ok(true),
        Err(ChainError::Node { .. } | ChainError::LogsLag { .. } | ChainError::LogsNotRead { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use std::future::ready;

    use super::*;

    fn answer(is_given: bool) -> impl Future<Output = Result<(), ChainError>> {
        ready(if is_given { Ok(()) } else { Err(ChainError::node("pruned")) })
    }

    #[tokio::test]
    async fn the_first_block_whose_logs_are_given_is_found_in_few_queries() {
        for kept in [6, 7, 1000, 1_000_000] {
            let queries = Cell::new(0);
            let first = first_given(5, 1_000_000, |block| {
                queries.set(queries.get() + 1);
                answer(block >= kept)
            });
            assert_eq!((first.await.unwrap(), queries.get() <= 23), (Some(kept), true));
        }
        assert_eq!(first_given(5, 1_000_000, |_| answer(false)).await.unwrap(), None);
    }

    #[tokio::test]
    async fn refusals_that_pass_are_not_believed() {
        for refused in [5, 500_002] {
            let is_left = Cell::new(true);
            let first = first_given(5, 1_000_000, |block| answer(block != refused || !is_left.take()));
            assert_eq!(first.await.unwrap(), None, "{refused}");
        }
    }
}
