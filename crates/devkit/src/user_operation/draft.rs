//! An operation as drafted by a dApp: unsigned, without a paymaster, in the JSON of its EntryPoint
//! version.

use alloy_primitives::{Address, Bytes, U256};
use serde_json::{Map, Value, json};

use crate::EntryPointVersion;

/// Gas of an operation, in units of gas.
#[derive(Clone, Debug)]
pub struct GasLimits {
    /// For the call itself.
    pub call: u64,
    /// For validation, including deployment of the account.
    pub verification: u64,
    /// For overhead that the EntryPoint cannot measure, paid without proof.
    pub pre_verification: u64,
}

impl Default for GasLimits {
    /// Enough for a SimpleAccount of any version that deploys itself and makes a small call.
    fn default() -> Self {
        Self { call: 150_000, verification: 500_000, pre_verification: 60_000 }
    }
}

/// The client's choices before it requests sponsorship.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The account.
    pub sender: Address,
    /// Its EntryPoint nonce: key in the upper 192 bits, sequence in the lower 64.
    pub nonce: U256,
    /// The factory and its calldata, for an account that does not exist yet.
    pub deploy: Option<(Address, Bytes)>,
    /// The call data for the account.
    pub call_data: Bytes,
    /// Gas.
    pub gas: GasLimits,
    /// Maximum fee, in wei per gas.
    pub max_fee_per_gas: u128,
    /// Wei per gas above the base fee.
    pub max_priority_fee_per_gas: u128,
}

impl Draft {
    /// A call by an existing account, with gas and fees that suit a local chain.
    #[must_use]
    pub fn new(sender: Address, nonce: U256, call_data: Bytes) -> Self {
        Self {
            sender,
            nonce,
            deploy: None,
            call_data,
            gas: GasLimits::default(),
            max_fee_per_gas: 4_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
        }
    }

    /// The EntryPoint JSON of ERC-4337 and ERC-7769, with an empty signature.
    #[must_use]
    pub fn to_json(&self, version: EntryPointVersion) -> Value {
        let quantity = |number: u128| Value::String(format!("{number:#x}"));
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);

        set("sender", json!(self.sender));
        set("nonce", json!(self.nonce));
        set("callData", json!(self.call_data));
        set("callGasLimit", quantity(self.gas.call.into()));
        set("verificationGasLimit", quantity(self.gas.verification.into()));
        set("preVerificationGas", quantity(self.gas.pre_verification.into()));
        set("maxFeePerGas", quantity(self.max_fee_per_gas));
        set("maxPriorityFeePerGas", quantity(self.max_priority_fee_per_gas));
        set("signature", json!("0x"));
        if version == EntryPointVersion::V06 {
            let init_code = self.deploy.as_ref().map(|(factory, data)| [factory.as_slice(), data].concat());
            set("initCode", json!(Bytes::from(init_code.unwrap_or_default())));
            set("paymasterAndData", json!("0x"));
        } else if let Some((factory, data)) = &self.deploy {
            set("factory", json!(factory));
            set("factoryData", json!(data));
        }
        Value::Object(fields)
    }
}
