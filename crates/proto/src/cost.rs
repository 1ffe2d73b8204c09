//! The most an operation can cost its paymaster.

use crate::entry_point::EntryPointVersion;
use crate::number::Wei;
use crate::paymaster::Terms;
use crate::user_operation::UserOperation;

/// Wei. The prefund that the EntryPoint takes when a paymaster pays. No charge exceeds it,
/// including the penalty for unused gas: v0.6 `maxFee × (call + 3 × verification + pre)`, later
/// `maxFee ×` the sum of the five limits (`_getRequiredPrefund`). `None` if it does not fit into
/// 128 bits.
#[must_use]
pub fn worst_case_cost(op: &UserOperation, version: EntryPointVersion, terms: &Terms) -> Option<Wei> {
    worst_case_gas(op, version, terms)?.checked_mul(op.max_fee_per_gas).map(Wei)
}

/// The gas of [`worst_case_cost`].
#[must_use]
pub fn worst_case_gas(op: &UserOperation, version: EntryPointVersion, terms: &Terms) -> Option<u128> {
    let own = op.call_gas_limit.checked_add(op.pre_verification_gas)?;
    if version == EntryPointVersion::V06 {
        own.checked_add(op.verification_gas_limit.checked_mul(3)?)
    } else {
        own.checked_add(op.verification_gas_limit)?
            .checked_add(terms.verification_gas_limit)?
            .checked_add(terms.post_op_gas_limit)
    }
}
