//! User operations of ERC-4337, every version in one type, and the hash that each EntryPoint
//! computes.

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::abi::{Packed, domain_separator, hash_words, typed_data_hash};
use crate::bytes::{BoundedBytes, CallData, FactoryData, PaymasterData};
use crate::entry_point::{EntryPoint, EntryPointVersion};
use crate::limits::{MAX_GAS_FIELD, MAX_PAYMASTER_SIGNATURE};
use crate::number::Uint256;
use crate::primitives::{Address, Hash, UserOpHash, keccak256, keccak256_concat};
use crate::signature_suffix;

/// The name of the EIP-712 domain in which EntryPoints of v0.8 and later hash operations.
pub(crate) const DOMAIN_NAME: &str = "ERC4337";

/// The `initCode` that marks an EIP-7702 operation, padded to an address, as EntryPoint v0.8 reads
/// it.
const EIP7702_MARKER: Address = Address([0x77, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

/// A user operation without its account signature. Versions differ only in how the fields are laid
/// out for hashing, so one type serves them all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserOperation {
    /// The account.
    pub sender: Address,
    /// Key (24 bytes) and sequence (8 bytes).
    pub nonce: Uint256,
    /// How the account is deployed, if it does not exist yet.
    pub init: Init,
    /// The call data for the account.
    pub call_data: CallData,
    /// Gas for the call.
    pub call_gas_limit: u128,
    /// Gas for the account's validation.
    pub verification_gas_limit: u128,
    /// Gas paid to the bundler as overhead.
    pub pre_verification_gas: u128,
    /// Maximum fee, in wei per gas.
    pub max_fee_per_gas: u128,
    /// Maximum fee for the block builder, in wei per gas.
    pub max_priority_fee_per_gas: u128,
    /// The paymaster; without one the account pays.
    pub paymaster: Option<Paymaster>,
}

/// `initCode`, or `factory` and `factoryData`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Init {
    /// The account exists.
    Deployed,
    /// A factory deploys it.
    Factory {
        /// The factory.
        factory: Address,
        /// The call data for the factory.
        data: FactoryData,
    },
    /// The sender's code is delegated (EIP-7702, EntryPoint v0.8 and later).
    Eip7702 {
        /// The contract the sender delegates to; part of the hash, so it cannot be replaced after
        /// signing.
        delegate: Address,
        /// The data the account is initialised with.
        data: FactoryData,
    },
}

/// The paymaster fields of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paymaster {
    /// The contract that pays.
    pub address: Address,
    /// Gas for its validation; zero on v0.6, which has no such field.
    pub verification_gas_limit: u128,
    /// Gas for its postOp; zero on v0.6.
    pub post_op_gas_limit: u128,
    /// The paymaster's own data.
    pub data: PaymasterData,
    /// The signature outside the hash (v0.9 only).
    pub signature: Option<BoundedBytes<{ MAX_PAYMASTER_SIGNATURE }>>,
}

/// Why an operation is invalid for its EntryPoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidOperation {
    /// A gas or fee field is 2^120 or more ("AA94 gas values overflow").
    GasOverflow,
    /// An EIP-7702 operation, or a factory that looks like one, on an EntryPoint without EIP-7702
    /// support.
    Eip7702NotSupported,
    /// Paymaster gas limits on v0.6.
    PaymasterGasNotSupported,
    /// A paymaster signature outside the hash, before v0.9.
    PaymasterSignatureNotSupported,
    /// Paymaster data that ends like a v0.9 signature suffix without being one; the EntryPoint
    /// would misread it.
    AmbiguousPaymasterData,
}

impl fmt::Display for InvalidOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GasOverflow => "a gas or fee field is 2^120 or more",
            Self::Eip7702NotSupported => {
                "this EntryPoint version has no factory 0x7702: leave it out, and send eip7702Auth alone"
            }
            Self::PaymasterGasNotSupported => "EntryPoint v0.6 has no paymaster gas limits",
            Self::PaymasterSignatureNotSupported => "paymasterSignature needs EntryPoint v0.9",
            Self::AmbiguousPaymasterData => "paymasterData ends with the v0.9 signature magic",
        })
    }
}

impl core::error::Error for InvalidOperation {}

impl UserOperation {
    /// The operation with all paymaster fields empty: what the user approves (protocol, section
    /// 2.1).
    #[must_use]
    pub fn without_paymaster(&self) -> Self {
        Self { paymaster: None, ..self.clone() }
    }

    /// Refuses an operation that this version's EntryPoint cannot represent, or would misread.
    pub fn check(&self, version: EntryPointVersion) -> Result<(), InvalidOperation> {
        let paymaster_gas = self.paymaster.as_ref().map_or([0, 0], Paymaster::gas_limits);
        let gas_fields = [
            self.call_gas_limit,
            self.verification_gas_limit,
            self.pre_verification_gas,
            self.max_fee_per_gas,
            self.max_priority_fee_per_gas,
        ];
        if gas_fields.iter().chain(&paymaster_gas).any(|gas| *gas > MAX_GAS_FIELD) {
            return Err(InvalidOperation::GasOverflow);
        }
        match &self.init {
            Init::Eip7702 { .. } if !version.supports_eip7702() => {
                return Err(InvalidOperation::Eip7702NotSupported);
            }
            Init::Factory { factory, .. } if *factory == EIP7702_MARKER => {
                return Err(InvalidOperation::Eip7702NotSupported);
            }
            _ => {}
        }
        self.paymaster.as_ref().map_or(Ok(()), |paymaster| paymaster.check(version))
    }

    /// The hash that `getUserOpHash` of that EntryPoint returns.
    #[must_use]
    pub fn hash(&self, entry_point: &EntryPoint) -> UserOpHash {
        let paymaster_and_data = self.paymaster_and_data_hash(entry_point.version);
        let Hash(hash) = match entry_point.version {
            EntryPointVersion::V06 => legacy_hash(&self.inner_hash_v06(&paymaster_and_data), entry_point),
            EntryPointVersion::V07 => legacy_hash(&self.inner_hash_v07(&paymaster_and_data), entry_point),
            EntryPointVersion::V08 | EntryPointVersion::V09 => {
                let domain = domain_separator(DOMAIN_NAME, "1", entry_point.chain_id, &entry_point.address);
                typed_data_hash(&domain, &self.struct_hash(&paymaster_and_data))
            }
        };
        UserOpHash(hash)
    }

    /// Keccak-256 of `initCode`, where the delegate replaces the marker for EIP-7702
    /// (`Eip7702Support` of v0.8).
    #[must_use]
    pub fn init_code_hash(&self) -> Hash {
        match &self.init {
            Init::Deployed => keccak256([]),
            Init::Factory { factory: address, data } | Init::Eip7702 { delegate: address, data } => {
                keccak256_concat(&[&address.0, data])
            }
        }
    }

    pub(crate) fn account_gas_limits(&self) -> Packed {
        Packed(self.verification_gas_limit, self.call_gas_limit)
    }

    pub(crate) fn gas_fees(&self) -> Packed {
        Packed(self.max_priority_fee_per_gas, self.max_fee_per_gas)
    }

    fn paymaster_and_data_hash(&self, version: EntryPointVersion) -> Hash {
        let bytes = self.paymaster.as_ref().map_or_else(Vec::new, |paymaster| paymaster.and_data(version));
        match signature_suffix::split(&bytes) {
            Some((signed, _)) if version == EntryPointVersion::V09 => {
                keccak256_concat(&[signed, &signature_suffix::MAGIC])
            }
            _ => keccak256(&bytes),
        }
    }

    fn inner_hash_v06(&self, paymaster_and_data: &Hash) -> Hash {
        hash_words(&[
            &self.sender,
            &self.nonce,
            &self.init_code_hash(),
            &keccak256(&*self.call_data),
            &self.call_gas_limit,
            &self.verification_gas_limit,
            &self.pre_verification_gas,
            &self.max_fee_per_gas,
            &self.max_priority_fee_per_gas,
            paymaster_and_data,
        ])
    }

    fn inner_hash_v07(&self, paymaster_and_data: &Hash) -> Hash {
        hash_words(&[
            &self.sender,
            &self.nonce,
            &self.init_code_hash(),
            &keccak256(&*self.call_data),
            &self.account_gas_limits(),
            &self.pre_verification_gas,
            &self.gas_fees(),
            paymaster_and_data,
        ])
    }

    fn struct_hash(&self, paymaster_and_data: &Hash) -> Hash {
        hash_words(&[
            &keccak256(
                "PackedUserOperation(address sender,uint256 nonce,bytes initCode,bytes callData,\
                 bytes32 accountGasLimits,uint256 preVerificationGas,bytes32 gasFees,bytes paymasterAndData)",
            ),
            &self.sender,
            &self.nonce,
            &self.init_code_hash(),
            &keccak256(&*self.call_data),
            &self.account_gas_limits(),
            &self.pre_verification_gas,
            &self.gas_fees(),
            paymaster_and_data,
        ])
    }
}

impl Paymaster {
    /// `paymasterAndData` in the format of that EntryPoint version.
    #[must_use]
    pub fn and_data(&self, version: EntryPointVersion) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64 + self.data.len());
        bytes.extend_from_slice(&self.address.0);
        if version > EntryPointVersion::V06 {
            bytes.extend_from_slice(&self.verification_gas_limit.to_be_bytes());
            bytes.extend_from_slice(&self.post_op_gas_limit.to_be_bytes());
        }
        bytes.extend_from_slice(&self.data);
        if let Some(signature) = &self.signature {
            bytes.extend_from_slice(signature);
            // The type's bound is far below 2^16.
            bytes.extend_from_slice(&u16::try_from(signature.len()).unwrap_or(u16::MAX).to_be_bytes());
            bytes.extend_from_slice(&signature_suffix::MAGIC);
        }
        bytes
    }

    fn gas_limits(&self) -> [u128; 2] {
        [self.verification_gas_limit, self.post_op_gas_limit]
    }

    fn check(&self, version: EntryPointVersion) -> Result<(), InvalidOperation> {
        if version == EntryPointVersion::V06 && self.gas_limits() != [0, 0] {
            return Err(InvalidOperation::PaymasterGasNotSupported);
        }
        if self.signature.is_some() && version < EntryPointVersion::V09 {
            return Err(InvalidOperation::PaymasterSignatureNotSupported);
        }
        // An empty signature would make a suffix of length zero, which v0.9 does not recognise.
        let empty = self.signature.as_ref().is_some_and(|signature| signature.is_empty());
        let ends_like_a_suffix =
            self.data.ends_with(&signature_suffix::MAGIC) && self.data.len() >= signature_suffix::LENGTH;
        if version == EntryPointVersion::V09 && (empty || self.signature.is_none() && ends_like_a_suffix) {
            return Err(InvalidOperation::AmbiguousPaymasterData);
        }
        Ok(())
    }
}

fn legacy_hash(inner: &Hash, entry_point: &EntryPoint) -> Hash {
    hash_words(&[inner, &entry_point.address, &entry_point.chain_id])
}
