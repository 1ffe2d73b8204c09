//! What the EntryPoint is certain to refuse, whoever signs: such an operation reserves nothing.

use proto::json::GasFields;
use proto::{Init, UserOperation};

use crate::chain::{Creation, Facts, SenderCode};
use crate::deployment::Deployment;
use crate::error::{OperationError, RelayError};

/// What can be told from the operation alone. Where gas may still be missing, it isn't judged.
pub(super) fn check_gas(op: &UserOperation, gas: GasFields) -> Result<(), OperationError> {
    match gas {
        GasFields::Required if op.verification_gas_limit == 0 => Err(OperationError::VerificationGasMissing),
        GasFields::Required | GasFields::Optional => Ok(()),
    }
}

/// An operation that pays less than the base fee is in no block until that falls, and would reserve
/// next to nothing: any number of them would fit. Where fees may still be missing, none are given
/// by 0.
pub(super) fn check_fee(op: &UserOperation, gas: GasFields, base_fee: u128) -> Result<(), OperationError> {
    let given = op.max_fee_per_gas;
    let is_open = matches!(gas, GasFields::Optional) && given == 0;
    if is_open || given >= base_fee { Ok(()) } else { Err(OperationError::FeeTooLow { least: base_fee, given }) }
}

/// An operation is mined once, and no other with its nonce.
pub(super) fn check_nonce(op: &UserOperation, facts: &Facts) -> Result<(), OperationError> {
    if op.nonce == facts.nonce {
        Ok(())
    } else {
        Err(OperationError::AccountNonceInvalid { expected: facts.nonce, given: op.nonce })
    }
}

/// A contract that is paused refuses every operation.
pub(super) fn check_paused(facts: &Facts) -> Result<(), RelayError> {
    if facts.paymaster.paused { Err(RelayError::PaymasterPaused) } else { Ok(()) }
}

/// What takes the chain: the account's nonce, its code, and what its factory makes. An EIP-7702
/// operation brings its account's code along.
pub(super) fn check_account(deployment: &Deployment, op: &UserOperation, facts: &Facts) -> Result<(), OperationError> {
    check_nonce(op, facts)?;
    let sender = op.sender;
    let has_code = facts.sender_code != SenderCode::Absent;
    match &op.init {
        Init::Eip7702 { .. } if facts.sender_code == SenderCode::Contract => {
            Err(OperationError::SenderCannotDelegate { sender })
        }
        Init::Eip7702 { .. } => Ok(()),
        Init::Deployed if has_code => Ok(()),
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
