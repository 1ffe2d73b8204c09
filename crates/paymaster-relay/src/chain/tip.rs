//! The tip that a node suggests. It changes with each block, so one answer serves all requests of
//! the block.

use std::sync::{Arc, Mutex, PoisonError};

use alloy_provider::Provider;

use super::ChainError;
use super::node::Node;

/// The last answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Tip(Arc<Mutex<Option<Answer>>>);

#[derive(Clone, Copy, Debug)]
struct Answer {
    /// The latest block when it was asked.
    block: u64,
    /// Wei per gas.
    tip: u128,
}

impl Tip {
    /// As [`super::EntryPointReader::suggested_tip`]. Requests that come before the first answer
    /// each ask.
    pub(super) async fn suggested(&self, node: &Node, at: u64) -> Result<u128, ChainError> {
        let known = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = known.filter(|answer| answer.block == at) {
            return Ok(answer.tip);
        }
        let tip = node.ask(node.provider().get_max_priority_fee_per_gas()).await?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Answer { block: at, tip });
        Ok(tip)
    }
}
