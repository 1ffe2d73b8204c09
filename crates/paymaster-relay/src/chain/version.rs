//! Detects an EntryPoint's version by the hash that it computes for an operation.

use alloy_sol_types::sol;
use proto::bytes::BoundedBytes;
use proto::{Paymaster, UserOperation};

use super::nobody::operation_of_nobody;

pub(super) mod v06 {
    alloy_sol_types::sol! {
        struct UserOperation {
            address sender;
            uint256 nonce;
            bytes initCode;
            bytes callData;
            uint256 callGasLimit;
            uint256 verificationGasLimit;
            uint256 preVerificationGas;
            uint256 maxFeePerGas;
            uint256 maxPriorityFeePerGas;
            bytes paymasterAndData;
            bytes signature;
        }

        function getUserOpHash(UserOperation userOp) returns (bytes32);
    }
}

sol! {
    struct PackedUserOperation {
        address sender;
        uint256 nonce;
        bytes initCode;
        bytes callData;
        bytes32 accountGasLimits;
        uint256 preVerificationGas;
        bytes32 gasFees;
        bytes paymasterAndData;
        bytes signature;
    }

    function getUserOpHash(PackedUserOperation userOp) returns (bytes32);
}

/// A placeholder operation with a paymaster signature beside its data: only v0.9 excludes it from
/// the hash.
pub(super) fn operation() -> Option<UserOperation> {
    let signature = Some(BoundedBytes::new(vec![1]).ok()?);
    let paymaster = Paymaster {
        address: Default::default(),
        verification_gas_limit: 0,
        post_op_gas_limit: 0,
        data: Default::default(),
        signature,
    };
    Some(UserOperation { paymaster: Some(paymaster), ..operation_of_nobody() })
}

/// The call for v0.6.
pub(super) fn hash_call_of_v06(paymaster_and_data: Vec<u8>) -> v06::getUserOpHashCall {
    let user_op = v06::UserOperation {
        sender: Default::default(),
        nonce: Default::default(),
        initCode: Default::default(),
        callData: Default::default(),
        callGasLimit: Default::default(),
        verificationGasLimit: Default::default(),
        preVerificationGas: Default::default(),
        maxFeePerGas: Default::default(),
        maxPriorityFeePerGas: Default::default(),
        paymasterAndData: paymaster_and_data.into(),
        signature: Default::default(),
    };
    v06::getUserOpHashCall { userOp: user_op }
}

/// The call for later versions.
pub(super) fn hash_call(paymaster_and_data: Vec<u8>) -> getUserOpHashCall {
    let user_op = PackedUserOperation {
        sender: Default::default(),
        nonce: Default::default(),
        initCode: Default::default(),
        callData: Default::default(),
        accountGasLimits: Default::default(),
        preVerificationGas: Default::default(),
        gasFees: Default::default(),
        paymasterAndData: paymaster_and_data.into(),
        signature: Default::default(),
    };
    getUserOpHashCall { userOp: user_op }
}
