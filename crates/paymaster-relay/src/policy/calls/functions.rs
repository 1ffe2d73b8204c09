//! Which of the encodings an account has. The others may be the functions of a fallback handler or
//! module that its owner installed, and then do anything.

use alloy_sol_types::SolCall;

use super::simple_account::{BatchV06, BatchV07, BatchV08};
use super::{ENCODINGS, biconomy, erc7579, kernel, safe, simple_account};
use crate::account_code::CallFunctions;

/// Whether an account with these functions has the one that the call data names.
#[must_use]
pub fn is_of_account(functions: CallFunctions, call_data: &[u8]) -> bool {
    call_data.first_chunk().is_some_and(|selector| selectors(functions).contains(selector))
}

/// Whether the call data would be read as calls of an account of another kind.
#[must_use]
pub fn is_of_other_account(functions: CallFunctions, call_data: &[u8]) -> bool {
    let is_read = ENCODINGS.iter().any(|(selector, _)| call_data.first_chunk() == Some(selector));
    is_read && !is_of_account(functions, call_data)
}

/// `executeUserOp` of ERC-4337 is none of any: what an account does around the call that it wraps
/// is up to hooks that its owner installed.
const fn selectors(functions: CallFunctions) -> &'static [[u8; 4]] {
    match functions {
        CallFunctions::SimpleAccountV06 => {
            &[simple_account::executeCall::SELECTOR, BatchV06::executeBatchCall::SELECTOR]
        }
        CallFunctions::SimpleAccountV07 => {
            &[simple_account::executeCall::SELECTOR, BatchV07::executeBatchCall::SELECTOR]
        }
        CallFunctions::SimpleAccountV08 => {
            &[simple_account::executeCall::SELECTOR, BatchV08::executeBatchCall::SELECTOR]
        }
        CallFunctions::LightAccount => &[
            simple_account::executeCall::SELECTOR,
            BatchV06::executeBatchCall::SELECTOR,
            BatchV07::executeBatchCall::SELECTOR,
        ],
        CallFunctions::KernelV2 => &[
            kernel::executeCall::SELECTOR,
            kernel::executeDelegateCallCall::SELECTOR,
            BatchV08::executeBatchCall::SELECTOR,
        ],
        CallFunctions::Erc7579 => &[erc7579::executeCall::SELECTOR],
        CallFunctions::BiconomyV2 => &[biconomy::execute_ncCCall::SELECTOR, biconomy::executeBatch_y6UCall::SELECTOR],
        CallFunctions::Safe => &[],
        CallFunctions::SafeModule => {
            &[safe::executeUserOpCall::SELECTOR, safe::executeUserOpWithErrorStringCall::SELECTOR]
        }
    }
}
