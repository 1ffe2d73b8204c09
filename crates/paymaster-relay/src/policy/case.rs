//! What a policy looks at.

use proto::{AccountId, UserOperation, Wei};

use super::standing::Standing;

/// An operation and what is known about it.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Whose operation.
    pub account_id: &'a AccountId,
    /// How that account stands; `None` when nobody listed it.
    pub standing: Option<Standing>,
    /// The operation.
    pub op: &'a UserOperation,
    /// The most it can cost ([`proto::worst_case_cost`]).
    pub cost: Wei,
    /// Whether a passkey of the account approved it, or is about to.
    pub proven: bool,
}
