//! The reference account of account-abstraction: its calldata, and the addresses its factory gives.

use alloy_primitives::{Address, Bytes, U256};
use alloy_provider::RootProvider;
use alloy_sol_types::SolCall;

use crate::abi::{Account, AccountFactory, AccountV06, AccountV07, AccountV08};
use crate::{DevkitError, EntryPointVersion, chain};

/// One call that the account makes.
#[derive(Clone, Debug)]
pub struct Call {
    /// The callee.
    pub target: Address,
    /// Wei to send along.
    pub value: U256,
    /// Calldata.
    pub data: Bytes,
}

/// Calldata of `execute(address,uint256,bytes)`, the same in every version.
#[must_use]
pub fn execute(call: &Call) -> Bytes {
    Account::executeCall { dest: call.target, value: call.value, func: call.data.clone() }.abi_encode().into()
}

/// Calldata of that version's `executeBatch`.
///
/// # Errors
/// [`DevkitError::NotInThisVersion`]: a v0.6 batch cannot send value.
pub fn execute_batch(version: EntryPointVersion, calls: &[Call]) -> Result<Bytes, DevkitError> {
    let targets = || calls.iter().map(|call| call.target).collect();
    let data = || calls.iter().map(|call| call.data.clone()).collect();
    let encoded = match version {
        EntryPointVersion::V06 if calls.iter().any(|call| !call.value.is_zero()) => {
            return Err(DevkitError::NotInThisVersion { version, feature: "batch that sends value" });
        }
        EntryPointVersion::V06 => AccountV06::executeBatchCall { dest: targets(), func: data() }.abi_encode(),
        EntryPointVersion::V07 => {
            let value = calls.iter().map(|call| call.value).collect();
            AccountV07::executeBatchCall { dest: targets(), value, func: data() }.abi_encode()
        }
        EntryPointVersion::V08 | EntryPointVersion::V09 => {
            let calls = calls.iter().map(|call| AccountV08::Call {
                target: call.target,
                value: call.value,
                data: call.data.clone(),
            });
            AccountV08::executeBatchCall { calls: calls.collect() }.abi_encode()
        }
    };
    Ok(encoded.into())
}

/// A deployed SimpleAccountFactory.
#[derive(Clone, Debug)]
pub struct SimpleAccountFactory {
    address: Address,
    provider: RootProvider,
}

impl SimpleAccountFactory {
    /// The factory at that address.
    #[must_use]
    pub fn at(provider: RootProvider, address: Address) -> Self {
        Self { address, provider }
    }

    /// The factory's address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// The account's address, whether or not it exists yet.
    ///
    /// # Errors
    /// Those of any chain read.
    pub async fn account_address(&self, owner: Address, salt: U256) -> Result<Address, DevkitError> {
        chain::view(&self.provider, self.address, &AccountFactory::getAddressCall { owner, salt }).await
    }

    /// Calldata of `createAccount(owner, salt)`: an operation's `factoryData`.
    #[must_use]
    pub fn factory_data(owner: Address, salt: U256) -> Bytes {
        AccountFactory::createAccountCall { owner, salt }.abi_encode().into()
    }
}
