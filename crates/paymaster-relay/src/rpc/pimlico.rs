//! The methods of Pimlico's paymaster, for its clients: the operation's gas is part of the answer.

use proto::Quantity;
use proto::json::{PAYMASTER_FIELDS, hex_quantity, paymaster_fields};
use relay_api::{PaymasterFields, SponsoredGas, UserOperation, ValidPolicy};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::answer;
use super::error::Refused;
use crate::bundler::{BundlerCall, Estimate};
use crate::error::{RelayError, RequestError};
use crate::sponsor::{DraftRequest, Sponsored, Stub};

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
    let unusable = |detail| RelayError::BundlerUnavailable { detail, in_doubt: false };
    let Estimate { call, verification, pre_verification } = Estimate::parse(answered).map_err(unusable)?;
    let estimated = [call, verification, pre_verification];
    for ((name, given), estimated) in gas_of(draft).into_iter().zip(estimated) {
        if given == 0 {
            op.insert(name.to_owned(), hex_quantity(estimated).into());
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
            | RelayError::SimulationFailed { .. }
            | RelayError::Request(
                RequestError::UnknownPolicy { .. }
                | RequestError::PolicyDisabled { .. }
                | RequestError::PolicyNotAllowed { .. },
            ),
        ) => Ok(None),
        Err(error) => Err(error),
    }
}
