//! A placeholder operation for queries without a real one.

use proto::{Address, Init, Uint256, UserOperation};

/// The operation of an account that nobody has: it queries everything except the account.
pub(crate) fn operation_of_nobody() -> UserOperation {
    UserOperation {
        sender: Address::default(),
        nonce: Uint256::default(),
        init: Init::Deployed,
        call_data: Default::default(),
        call_gas_limit: 0,
        verification_gas_limit: 0,
        pre_verification_gas: 0,
        max_fee_per_gas: 0,
        max_priority_fee_per_gas: 0,
        paymaster: None,
    }
}
