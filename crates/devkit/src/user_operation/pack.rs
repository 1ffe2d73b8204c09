//! Converts JSON to the struct of that EntryPoint version.

use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::aliases::U48;
use alloy_primitives::{Address, B256, Bytes, U128, hex};
use alloy_sol_types::SolCall;
use serde_json::Value;

use super::WireError;
use super::wire::{Factory, WireV06, WireV07, parse};
use crate::EntryPointVersion;
use crate::abi::{
    EntryPointV06, EntryPointV07, PackedUserOperation, SuperPaymasterV06, SuperPaymasterV07, UserOperation,
};

/// `keccak("PaymasterSignature")[:8]`: the end of a paymasterAndData with its signature outside the
/// hash (EntryPoint v0.9).
const PAYMASTER_SIGNATURE_MAGIC: [u8; 8] = hex!("22e325a297439656");
const EIP7702_MARKER: [u8; 2] = hex!("7702");

/// An operation ready for the chain.
pub(crate) struct Packed {
    operation: Operation,
    /// EIP-7702 authorisations for the same transaction; empty if there are none.
    pub(crate) authorizations: Vec<SignedAuthorization>,
}

enum Operation {
    V06(UserOperation),
    V07(PackedUserOperation),
}

impl Packed {
    pub(crate) fn parse(version: EntryPointVersion, operation: &Value) -> Result<Self, WireError> {
        if version == EntryPointVersion::V06 {
            let wire = parse::<WireV06>(version, operation)?;
            return Ok(Self { operation: Operation::V06(wire.into()), authorizations: Vec::new() });
        }
        let wire = parse::<WireV07>(version, operation)?;
        wire.fits(version)?;
        Ok(Self {
            authorizations: wire.eip7702_auth.iter().cloned().collect(),
            operation: Operation::V07(wire.pack()?),
        })
    }

    /// Calldata of `handleOps([op], beneficiary)`.
    pub(crate) fn handle_ops(&self, beneficiary: Address) -> Vec<u8> {
        match &self.operation {
            Operation::V06(op) => EntryPointV06::handleOpsCall { ops: vec![op.clone()], beneficiary }.abi_encode(),
            Operation::V07(op) => EntryPointV07::handleOpsCall { ops: vec![op.clone()], beneficiary }.abi_encode(),
        }
    }

    /// Calldata of the EntryPoint's `getUserOpHash(op)`.
    pub(crate) fn user_op_hash(&self) -> Vec<u8> {
        match &self.operation {
            Operation::V06(op) => EntryPointV06::getUserOpHashCall { userOp: op.clone() }.abi_encode(),
            Operation::V07(op) => EntryPointV07::getUserOpHashCall { userOp: op.clone() }.abi_encode(),
        }
    }

    /// Calldata of the paymaster's `getHash(op, validUntil, validAfter)`.
    pub(crate) fn sponsorship_digest(&self, valid_until: U48, valid_after: U48) -> Vec<u8> {
        match &self.operation {
            Operation::V06(op) => {
                SuperPaymasterV06::getHashCall { userOp: op.clone(), validUntil: valid_until, validAfter: valid_after }
                    .abi_encode()
            }
            Operation::V07(op) => {
                SuperPaymasterV07::getHashCall { userOp: op.clone(), validUntil: valid_until, validAfter: valid_after }
                    .abi_encode()
            }
        }
    }
}

impl From<WireV06> for UserOperation {
    fn from(wire: WireV06) -> Self {
        Self {
            sender: wire.sender,
            nonce: wire.nonce,
            initCode: wire.init_code,
            callData: wire.call_data,
            callGasLimit: wire.call_gas_limit,
            verificationGasLimit: wire.verification_gas_limit,
            preVerificationGas: wire.pre_verification_gas,
            maxFeePerGas: wire.max_fee_per_gas,
            maxPriorityFeePerGas: wire.max_priority_fee_per_gas,
            paymasterAndData: wire.paymaster_and_data,
            signature: wire.signature,
        }
    }
}

impl WireV07 {
    fn fits(&self, version: EntryPointVersion) -> Result<(), WireError> {
        match self.factory {
            Some(Factory::Eip7702) if !version.knows_eip7702() => {
                return Err(WireError::NotInThisVersion { version, field: "factory 0x7702" });
            }
            Some(Factory::Contract(_)) if self.eip7702_auth.is_some() => {
                let detail = "eip7702Auth: a factory makes the account".to_owned();
                return Err(WireError::Malformed { version, detail });
            }
            _ => {}
        }
        if self.paymaster_signature.is_some() && version != EntryPointVersion::V09 {
            return Err(WireError::NotInThisVersion { version, field: "paymasterSignature" });
        }
        Ok(())
    }

    fn pack(self) -> Result<PackedUserOperation, WireError> {
        Ok(PackedUserOperation {
            sender: self.sender,
            nonce: self.nonce,
            initCode: self.init_code()?,
            callData: self.call_data.clone(),
            accountGasLimits: two_words(self.verification_gas_limit, self.call_gas_limit),
            preVerificationGas: self.pre_verification_gas,
            gasFees: two_words(self.max_priority_fee_per_gas, self.max_fee_per_gas),
            paymasterAndData: self.paymaster_and_data()?,
            signature: self.signature,
        })
    }

    fn init_code(&self) -> Result<Bytes, WireError> {
        let data = &self.factory_data;
        match &self.factory {
            None if data.is_empty() => Ok(Bytes::new()),
            None => Err(WireError::Incomplete { field: "factoryData", needs: "factory" }),
            Some(Factory::Contract(factory)) => Ok([factory.as_slice(), data.as_ref()].concat().into()),
            Some(Factory::Eip7702) if data.is_empty() => Ok(EIP7702_MARKER.into()),
            Some(Factory::Eip7702) => Ok([&EIP7702_MARKER, [0; 18].as_slice(), data.as_ref()].concat().into()),
        }
    }

    /// ERC-4337: paymaster 20 ‖ verificationGasLimit 16 ‖ postOpGasLimit 16 ‖ data, then for v0.9's
    /// signature outside the hash: signature ‖ uint16 length ‖ magic.
    fn paymaster_and_data(&self) -> Result<Bytes, WireError> {
        let Some(paymaster) = self.paymaster else {
            return match self.paymaster_field_present() {
                None => Ok(Bytes::new()),
                Some(field) => Err(WireError::Incomplete { field, needs: "paymaster" }),
            };
        };
        let verification = self
            .paymaster_verification_gas_limit
            .ok_or(WireError::Incomplete { field: "paymaster", needs: "paymasterVerificationGasLimit" })?;
        let post_operation = self
            .paymaster_post_op_gas_limit
            .ok_or(WireError::Incomplete { field: "paymaster", needs: "paymasterPostOpGasLimit" })?;

        let mut packed = paymaster.to_vec();
        packed.extend(verification.to_be_bytes::<16>());
        packed.extend(post_operation.to_be_bytes::<16>());
        packed.extend(&self.paymaster_data);
        if let Some(signature) = &self.paymaster_signature {
            let length = u16::try_from(signature.len()).map_err(|_| WireError::Malformed {
                version: EntryPointVersion::V09,
                detail: "paymasterSignature is longer than 65535 bytes".to_owned(),
            })?;
            packed.extend(signature);
            packed.extend(length.to_be_bytes());
            packed.extend(PAYMASTER_SIGNATURE_MAGIC);
        }
        Ok(packed.into())
    }

    fn paymaster_field_present(&self) -> Option<&'static str> {
        let present = [
            ("paymasterVerificationGasLimit", self.paymaster_verification_gas_limit.is_some()),
            ("paymasterPostOpGasLimit", self.paymaster_post_op_gas_limit.is_some()),
            ("paymasterData", !self.paymaster_data.is_empty()),
            ("paymasterSignature", self.paymaster_signature.is_some()),
        ];
        present.into_iter().find_map(|(field, there)| there.then_some(field))
    }
}

/// Two 16-byte integers in one word, the first in the high half.
fn two_words(high: U128, low: U128) -> B256 {
    let mut word = B256::ZERO;
    word[..16].copy_from_slice(&high.to_be_bytes::<16>());
    word[16..].copy_from_slice(&low.to_be_bytes::<16>());
    word
}
