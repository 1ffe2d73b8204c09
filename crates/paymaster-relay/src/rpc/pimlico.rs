//! The methods of Pimlico's paymaster, for its clients: the operation's gas is part of the answer.

use proto::Quantity;
use proto::json::paymaster_fields;
use relay_api::{PaymasterFields, SponsoredGas, UserOperation, ValidPolicy};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::answer::{self, PAYMASTER_FIELDS};
use super::error::Refused;
use crate::bundler::BundlerCall;
use crate::error::{RelayError, RequestError};
use crate::sponsor::{DraftRequest, Sponsored, Stub};

/// A bundler's estimate, without the paymaster's part, which is the relay's to say.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Estimate {
    call_gas_limit: Quantity<u128>,
    verification_gas_limit: Quantity<u128>,
    pre_verification_gas: Quantity<u128>,
}

/// As the EntryPoint limits it (AA94).
const MOST_GAS: u128 = (1 << 120) - 1;

/// Whether the operation lacks gas limits. Zero is none: clients send it in place of nothing.
pub(super) fn lacks_gas(draft: &DraftRequest) -> bool {
    gas_of(draft).iter().any(|(_, limit)| *limit == 0)
}

fn gas_of(draft: &DraftRequest) -> [(&'static str, u128); 3] {
    let op = &draft.op;
    [
        ("callGasLimit", op.call_gas_limit),
        ("verificationGasLimit", op.verification_gas_limit),
        ("preVerificationGas", op.pre_verification_gas),
    ]
}

/// The request for the gas of an operation that our paymaster will pay for.
pub(super) fn estimate(draft: &DraftRequest, UserOperation(mut op): UserOperation, stub: &Stub) -> BundlerCall {
    let lacking: Vec<_> = gas_of(draft).into_iter().filter(|(_, limit)| *limit == 0).map(|(name, _)| name).collect();
    op.retain(|name, value| {
        !PAYMASTER_FIELDS.contains(&name.as_str()) && !lacking.contains(&name.as_str()) && !value.is_null()
    });
    op.extend(paymaster_fields(&stub.paymaster, stub.version));
    BundlerCall::estimate_of(op, draft.deployment.entry_point.address)
}

/// The operation with the estimate in place of the gas limits that it lacks.
pub(super) fn completed(
    draft: &DraftRequest,
    UserOperation(mut op): UserOperation,
    answered: &RawValue,
) -> Result<Map<String, Value>, Refused> {
    let unusable = |problem: &str| RelayError::BundlerUnavailable {
        detail: format!("the estimate of the bundler {problem}"),
        in_doubt: false,
    };
    let estimate: Estimate = serde_json::from_str(answered.get()).map_err(|_| unusable("does not parse"))?;
    let Estimate { call_gas_limit, verification_gas_limit, pre_verification_gas } = estimate;
    if verification_gas_limit.0 == 0 {
        return Err(unusable("has no gas for the verification").into());
    }
    let estimated = [call_gas_limit, verification_gas_limit, pre_verification_gas];
    for ((name, given), estimated) in gas_of(draft).into_iter().zip(estimated) {
        if estimated.0 > MOST_GAS {
            return Err(unusable(&format!("has a {name} of {}", estimated.0)).into());
        }
        if given == 0 {
            op.insert(name.to_owned(), estimated.to_string().into());
        }
    }
    Ok(op)
}

/// The answer for the operation that was sponsored.
pub(super) fn sponsored(draft: &DraftRequest, sponsored: &Sponsored) -> SponsoredGas {
    let [call, verification, pre_verification] = gas_of(draft).map(|(_, limit)| Quantity(limit));
    let fields: PaymasterFields = answer::data(sponsored);
    SponsoredGas {
        call_gas_limit: call,
        verification_gas_limit: verification,
        pre_verification_gas: pre_verification,
        fields,
    }
}

/// The policy, if it would sponsor the operation. Other refusals are not the policy's.
pub(super) fn valid(
    id: String,
    outcome: Result<Stub, RelayError>,
    sponsor_name: &str,
) -> Result<Option<ValidPolicy>, RelayError> {
    match outcome {
        Ok(_) => Ok(Some(ValidPolicy::new(id, sponsor_name.to_owned()))),
        Err(
            RelayError::Policy { .. }
            | RelayError::Request(RequestError::UnknownPolicy { .. } | RequestError::PolicyNotAllowed { .. }),
        ) => Ok(None),
        Err(error) => Err(error),
    }
}
