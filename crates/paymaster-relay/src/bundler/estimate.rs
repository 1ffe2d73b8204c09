//! A bundler's estimate of an operation's gas.

use proto::Quantity;
use serde::Deserialize;
use serde_json::value::RawValue;

/// As the EntryPoint limits it (AA94).
const MOST_GAS: u128 = (1 << 120) - 1;

/// The limits of an operation, without the paymaster's part, which is the relay's to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Estimate {
    /// Gas for the call.
    pub(crate) call: u128,
    /// Gas for the account's validation; never zero.
    pub(crate) verification: u128,
    /// Gas for the bundler's overhead.
    pub(crate) pre_verification: u128,
}

/// The result of `eth_estimateUserOperationGas` (ERC-7769).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    call_gas_limit: Quantity<u128>,
    verification_gas_limit: Quantity<u128>,
    pre_verification_gas: Quantity<u128>,
}

impl Estimate {
    /// Reads an answer.
    ///
    /// # Errors
    /// Why no EntryPoint takes it, for the log.
    pub(crate) fn parse(answered: &RawValue) -> Result<Self, String> {
        let unusable = |problem: &str| format!("the estimate of the bundler {problem}");
        let answer: Answer = serde_json::from_str(answered.get()).map_err(|_| unusable("does not parse"))?;
        let Answer { call_gas_limit, verification_gas_limit, pre_verification_gas } = answer;
        if verification_gas_limit.0 == 0 {
            return Err(unusable("has no gas for the verification"));
        }
        for (name, Quantity(gas)) in [
            ("callGasLimit", call_gas_limit),
            ("verificationGasLimit", verification_gas_limit),
            ("preVerificationGas", pre_verification_gas),
        ] {
            if gas > MOST_GAS {
                return Err(unusable(&format!("has a {name} of {gas}")));
            }
        }
        Ok(Self {
            call: call_gas_limit.0,
            verification: verification_gas_limit.0,
            pre_verification: pre_verification_gas.0,
        })
    }
}
