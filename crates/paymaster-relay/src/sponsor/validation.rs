//! Operations that the EntryPoint would certainly refuse, with any signatures: they reserve
//! nothing.

use proto::json::GasFields;
use proto::{Init, UserOperation};

use super::request::DraftRequest;
use crate::chain::{Creation, Facts, SenderCode};
use crate::error::{OperationError, RelayError};

/// Checks that depend only on the operation. If gas may still be missing, it is not checked.
pub(super) fn check_gas(op: &UserOperation, gas: GasFields) -> Result<(), OperationError> {
    match gas {
        GasFields::Required if op.verification_gas_limit == 0 => Err(OperationError::VerificationGasMissing),
        GasFields::Required | GasFields::Optional => Ok(()),
    }
}

/// An operation that pays less than the base fee cannot be mined until the base fee falls, and
/// would reserve almost nothing: any number of them would fit. If fees may still be missing, 0
/// means missing.
pub(super) fn check_fee(op: &UserOperation, gas: GasFields, base_fee: u128) -> Result<(), OperationError> {
    let given = op.max_fee_per_gas;
    let is_open = matches!(gas, GasFields::Optional) && given == 0;
    if is_open || given >= base_fee { Ok(()) } else { Err(OperationError::FeeTooLow { least: base_fee, given }) }
}

/// An operation is mined once, and no other one with its nonce.
pub(super) fn check_nonce(op: &UserOperation, facts: &Facts) -> Result<(), OperationError> {
    if op.nonce == facts.nonce {
        Ok(())
    } else {
        Err(OperationError::AccountNonceInvalid { expected: facts.nonce, given: op.nonce })
    }
}

/// A paused contract refuses every operation.
pub(super) fn check_paused(facts: &Facts) -> Result<(), RelayError> {
    if facts.paymaster.paused { Err(RelayError::PaymasterPaused) } else { Ok(()) }
}

/// Checks that depend on the chain: the account's nonce, its code, and the result of its factory.
/// An EIP-7702 authorisation brings its account's code.
pub(super) fn check_account(draft: &DraftRequest, facts: &Facts) -> Result<(), OperationError> {
    let DraftRequest { deployment, op, delegate_beside, .. } = draft;
    check_nonce(op, facts)?;
    let sender = op.sender;
    let has_code = facts.sender_code != SenderCode::Absent;
    let delegates = delegate_beside.is_some() || matches!(op.init, Init::Eip7702 { .. });
    match &op.init {
        _ if delegates && facts.sender_code == SenderCode::Contract => {
            Err(OperationError::SenderCannotDelegate { sender })
        }
        Init::Eip7702 { .. } => Ok(()),
        Init::Deployed if has_code || delegates => Ok(()),
        Init::Deployed => Err(OperationError::AccountNotDeployed { sender }),
        Init::Factory { .. } if has_code && deployment.entry_point.version.ignores_spare_factory() => Ok(()),
        Init::Factory { .. } if has_code => Err(OperationError::AccountAlreadyDeployed { sender }),
        Init::Factory { factory, data } if data.is_empty() => {
            Err(OperationError::FactoryDataMissing { factory: *factory })
        }
        Init::Factory { factory, .. } => match facts.creation {
            Some(Creation::Account(created)) if created == sender => Ok(()),
            Some(Creation::Account(created)) => Err(OperationError::SenderNotFromFactory { sender, created }),
            Some(Creation::Nothing) | None => Err(OperationError::AccountCreationFailed { factory: *factory }),
        },
    }
}
