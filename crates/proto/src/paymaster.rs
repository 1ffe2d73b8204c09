//! Our paymaster's data and the EIP-712 digest that its contract checks (protocol, sections 2.3 and
//! 3).

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::abi::{Word, domain_separator, hash_words, typed_data_hash};
use crate::bytes::Bounded;
use crate::entry_point::{EntryPoint, EntryPointVersion};
use crate::limits::MAX_PAYMASTER_DATA;
use crate::primitives::{Address, Hash, PaymasterDigest, keccak256};
use crate::signature::Signature;
use crate::user_operation::{Paymaster, UserOperation};

/// The latest second that a window may contain. Both ends are `uint48`, and EntryPoint v0.9 reads
/// them as block numbers when both have the top bit set.
pub const MAX_TIMESTAMP: u64 = (1 << 47) - 1;
/// Seconds by which a signed window may be wider than the ceiling `max_window`, because it begins
/// before its approval. The contract has the same constant.
pub const WINDOW_SLACK: u64 = 60;

/// The terms on which the paymaster pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Terms {
    /// The contract that pays.
    pub paymaster: Address,
    /// Gas for its validation; zero on v0.6.
    pub verification_gas_limit: u128,
    /// Gas for its postOp; zero, since our contract has none.
    pub post_op_gas_limit: u128,
    /// Unix seconds, `uint48`: the operation is refused after it.
    pub valid_until: u64,
    /// Unix seconds, `uint48`: the operation is refused before it.
    pub valid_after: u64,
}

impl Terms {
    /// The paymaster fields up to but not including the signature: what the relay approves
    /// (protocol, section 2.2).
    #[must_use]
    pub fn unsigned(&self) -> Paymaster {
        self.fields(self.window().to_vec(), None)
    }

    /// The paymaster fields of the final operation. On v0.9 the signature stands outside
    /// `userOpHash`.
    #[must_use]
    pub fn signed(&self, version: EntryPointVersion, signature: &Signature) -> Paymaster {
        let signature = signature.to_bytes();
        if version == EntryPointVersion::V09 {
            self.fields(self.window().to_vec(), Some(signature.to_vec()))
        } else {
            self.fields([&self.window()[..], &signature].concat(), None)
        }
    }

    /// The window as paymaster data carries it: validUntil 6 ‖ validAfter 6.
    #[must_use]
    pub fn window(&self) -> [u8; 12] {
        let mut window = [0; 12];
        window[..6].copy_from_slice(&self.valid_until.to_be_bytes()[2..]);
        window[6..].copy_from_slice(&self.valid_after.to_be_bytes()[2..]);
        window
    }

    /// Reads the window from paymaster data of ours, ignoring what follows it.
    #[must_use]
    pub fn window_from(data: &[u8]) -> Option<(u64, u64)> {
        let seconds = |bytes: &[u8]| bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        Some((seconds(data.get(..6)?), seconds(data.get(6..12)?)))
    }

    fn fields(&self, data: Vec<u8>, signature: Option<Vec<u8>>) -> Paymaster {
        const { assert!(12 + Signature::LENGTH <= MAX_PAYMASTER_DATA) };
        Paymaster {
            address: self.paymaster,
            verification_gas_limit: self.verification_gas_limit,
            post_op_gas_limit: self.post_op_gas_limit,
            data: Bounded::new(data).unwrap_or_default(),
            signature: signature.map(|bytes| Bounded::new(bytes).unwrap_or_default()),
        }
    }
}

/// The digest from which our paymaster contract recovers the TEE's signature: EIP-712 over the
/// terms and every field of the operation except the signatures. `contracts/` declares the same
/// types; `vectors/paymaster-digests.json` is tested against both.
#[must_use]
pub fn paymaster_digest(op: &UserOperation, entry_point: &EntryPoint, terms: &Terms) -> PaymasterDigest {
    let domain = domain_separator("SuperPaymaster", "1", entry_point.chain_id, &terms.paymaster);
    let struct_hash = match entry_point.version {
        EntryPointVersion::V06 => struct_hash_v06(op, terms),
        EntryPointVersion::V07 | EntryPointVersion::V08 | EntryPointVersion::V09 => struct_hash_v07(op, terms),
    };
    PaymasterDigest(typed_data_hash(&domain, &struct_hash).0)
}

fn struct_hash_v06(op: &UserOperation, terms: &Terms) -> Hash {
    hash_words(&[
        &keccak256(
            "SponsoredUserOperation(address sender,uint256 nonce,bytes initCode,bytes callData,uint256 callGasLimit,\
             uint256 verificationGasLimit,uint256 preVerificationGas,uint256 maxFeePerGas,uint256 maxPriorityFeePerGas,\
             uint48 validUntil,uint48 validAfter)",
        ),
        &op.sender as &dyn Word,
        &op.nonce,
        &op.init_code_hash(),
        &keccak256(&*op.call_data),
        &op.call_gas_limit,
        &op.verification_gas_limit,
        &op.pre_verification_gas,
        &op.max_fee_per_gas,
        &op.max_priority_fee_per_gas,
        &terms.valid_until,
        &terms.valid_after,
    ])
}

fn struct_hash_v07(op: &UserOperation, terms: &Terms) -> Hash {
    hash_words(&[
        &keccak256(
            "SponsoredUserOperation(address sender,uint256 nonce,bytes initCode,bytes callData,bytes32 accountGasLimits,\
             uint256 preVerificationGas,bytes32 gasFees,uint128 paymasterVerificationGasLimit,\
             uint128 paymasterPostOpGasLimit,uint48 validUntil,uint48 validAfter)",
        ),
        &op.sender as &dyn Word,
        &op.nonce,
        &op.init_code_hash(),
        &keccak256(&*op.call_data),
        &op.account_gas_limits(),
        &op.pre_verification_gas,
        &op.gas_fees(),
        &terms.verification_gas_limit,
        &terms.post_op_gas_limit,
        &terms.valid_until,
        &terms.valid_after,
    ])
}
