//! Parses a complete user operation in the form of ERC-4337 and ERC-7769: camelCase fields, hex
//! values.
//!
//! Strict on purpose: a field that the EntryPoint version does not have, or a value that is too
//! wide, is an error instead of being dropped silently.

use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, Bytes, U128, U256};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use thiserror::Error;

use crate::EntryPointVersion;

/// The JSON is not a complete user operation of that EntryPoint version.
#[derive(Debug, Error)]
pub enum WireError {
    /// A field is missing, unknown, or invalid hex.
    #[error("not a v{version} user operation: {detail}")]
    Malformed {
        /// The expected EntryPoint version.
        version: EntryPointVersion,
        /// The parser's message.
        detail: String,
    },
    /// A field is missing that another one requires.
    #[error("`{field}` requires `{needs}`")]
    Incomplete {
        /// The field that was given.
        field: &'static str,
        /// The missing field.
        needs: &'static str,
    },
    /// The field belongs to a later EntryPoint.
    #[error("EntryPoint v{version} has no `{field}`")]
    NotInThisVersion {
        /// The requested EntryPoint version.
        version: EntryPointVersion,
        /// The field.
        field: &'static str,
    },
}

/// EntryPoint v0.6.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WireV06 {
    pub sender: Address,
    pub nonce: U256,
    pub init_code: Bytes,
    pub call_data: Bytes,
    pub call_gas_limit: U256,
    pub verification_gas_limit: U256,
    pub pre_verification_gas: U256,
    pub max_fee_per_gas: U256,
    pub max_priority_fee_per_gas: U256,
    pub paymaster_and_data: Bytes,
    pub signature: Bytes,
}

/// EntryPoint v0.7 and later.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WireV07 {
    pub sender: Address,
    pub nonce: U256,
    pub factory: Option<Factory>,
    #[serde(default)]
    pub factory_data: Bytes,
    pub call_data: Bytes,
    pub call_gas_limit: U128,
    pub verification_gas_limit: U128,
    pub pre_verification_gas: U256,
    pub max_fee_per_gas: U128,
    pub max_priority_fee_per_gas: U128,
    pub paymaster: Option<Address>,
    pub paymaster_verification_gas_limit: Option<U128>,
    pub paymaster_post_op_gas_limit: Option<U128>,
    #[serde(default)]
    pub paymaster_data: Bytes,
    pub paymaster_signature: Option<Bytes>,
    pub eip7702_auth: Option<SignedAuthorization>,
    pub signature: Bytes,
}

/// The factory of the account: a contract, or the sender itself by EIP-7702 delegation.
#[derive(Debug)]
pub(super) enum Factory {
    Contract(Address),
    Eip7702,
}

impl<'de> Deserialize<'de> for Factory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Bytes::deserialize(deserializer)?;
        match bytes.as_ref() {
            [0x77, 0x02] => Ok(Self::Eip7702),
            [0x77, 0x02, zeros @ ..] if zeros == [0; 18] => Ok(Self::Eip7702),
            other => Address::try_from(other)
                .map(Self::Contract)
                .map_err(|_| de::Error::custom("factory is neither an address nor 0x7702")),
        }
    }
}

pub(super) fn parse<'de, T: Deserialize<'de>>(
    version: EntryPointVersion,
    operation: &'de Value,
) -> Result<T, WireError> {
    T::deserialize(operation).map_err(|error| WireError::Malformed { version, detail: error.to_string() })
}
