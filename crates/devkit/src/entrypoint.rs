//! The real EntryPoints on a local chain: deployed as on public chains, with the queries a client
//! needs.

use alloy_primitives::{Address, B256, U256, address};
use alloy_provider::RootProvider;
use alloy_sol_types::{SolCall, SolValue};
use serde_json::Value;

use crate::abi::{AnyEntryPoint, EntryPointV07};
use crate::user_operation::Packed;
use crate::{Anvil, DevkitError, EntryPointVersion, SimpleAccountFactory, Tools, artifact, chain, predeployed};

/// The published address for salt 0.
const FACTORY_V06: Address = address!("9406Cc6185a346906296840746125a0E44976454");
const FACTORY_V07: Address = address!("91E60e0613810449d098b0b5Ec8b51A0FE8c8985");
const FACTORY_V08: Address = address!("13E9ed32155810FDbd067D4522C492D6f68E5944");
const DELEGATE_V08: Address = address!("e6Cae83BdE06E4c305530e199D7217f42808555B");

/// One version of account abstraction, ready for use.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The EntryPoint.
    pub entry_point: EntryPoint,
    /// Creates accounts for it.
    pub account_factory: SimpleAccountFactory,
    /// Simple7702Account, if the version supports EIP-7702.
    pub delegate: Option<Address>,
}

/// A deployed EntryPoint, and the account that sends bundles to it.
#[derive(Clone, Debug)]
pub struct EntryPoint {
    version: EntryPointVersion,
    address: Address,
    bundler: Address,
    provider: RootProvider,
}

/// Deploys the EntryPoint of that version with its SimpleAccountFactory and, from v0.8 on,
/// Simple7702Account. Repeating it changes nothing.
///
/// # Errors
/// [`DevkitError::WrongAddress`] if a contract would not get its published address.
pub async fn deploy(anvil: &Anvil, tools: &Tools, version: EntryPointVersion) -> Result<Deployment, DevkitError> {
    let deployer = Deployer { anvil, tools, version };
    let address = match version.salt() {
        Some(salt) => deployer.create("EntryPoint", salt, None, Some(version.canonical_address())).await?,
        None => predeployed::entry_point_v09(anvil, tools).await?,
    };

    let published = match version {
        EntryPointVersion::V06 => Some(FACTORY_V06),
        EntryPointVersion::V07 => Some(FACTORY_V07),
        EntryPointVersion::V08 => Some(FACTORY_V08),
        EntryPointVersion::V09 => None,
    };
    let factory = deployer.create("SimpleAccountFactory", B256::ZERO, Some(address), published).await?;

    let contract = "Simple7702Account";
    let delegate = match version {
        EntryPointVersion::V06 | EntryPointVersion::V07 => None,
        // v0.8's account has a hard-coded EntryPoint.
        EntryPointVersion::V08 => Some(deployer.create(contract, B256::ZERO, None, Some(DELEGATE_V08)).await?),
        EntryPointVersion::V09 => Some(deployer.create(contract, B256::ZERO, Some(address), None).await?),
    };

    let provider = anvil.provider().clone();
    Ok(Deployment {
        account_factory: SimpleAccountFactory::at(provider.clone(), factory),
        entry_point: EntryPoint { version, address, bundler: anvil.bundler(), provider },
        delegate,
    })
}

struct Deployer<'a> {
    anvil: &'a Anvil,
    tools: &'a Tools,
    version: EntryPointVersion,
}

impl Deployer<'_> {
    async fn create(
        &self,
        contract: &'static str,
        salt: B256,
        argument: Option<Address>,
        published: Option<Address>,
    ) -> Result<Address, DevkitError> {
        let artifact = self.tools.account_abstraction(self.version, contract);
        let mut code = artifact::creation_code(&artifact)?.to_vec();
        if let Some(argument) = argument {
            code.extend(argument.abi_encode());
        }
        let actual = chain::create2(self.anvil.provider(), self.anvil.deployer(), salt, &code).await?;
        match published {
            Some(expected) if expected != actual => Err(DevkitError::WrongAddress { contract, expected, actual }),
            _ => Ok(actual),
        }
    }
}

impl EntryPoint {
    /// Its version.
    #[must_use]
    pub fn version(&self) -> EntryPointVersion {
        self.version
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    pub(crate) fn provider(&self) -> &RootProvider {
        &self.provider
    }

    pub(crate) fn bundler(&self) -> Address {
        self.bundler
    }

    /// The next nonce of the account, under nonce key 0.
    ///
    /// # Errors
    /// Those of any chain read.
    pub async fn nonce(&self, sender: Address) -> Result<U256, DevkitError> {
        let call = AnyEntryPoint::getNonceCall { sender, key: Default::default() };
        chain::view(&self.provider, self.address, &call).await
    }

    /// Wei deposited for the account or paymaster.
    ///
    /// # Errors
    /// Those of any chain read.
    pub async fn balance_of(&self, account: Address) -> Result<U256, DevkitError> {
        chain::view(&self.provider, self.address, &AnyEntryPoint::balanceOfCall { account }).await
    }

    /// The hash that the chain computes for a complete JSON operation. An EIP-7702 operation is
    /// hashed as if its authorisation were already in effect.
    ///
    /// # Errors
    /// [`DevkitError::Wire`] if the operation does not have this version's form.
    pub async fn user_op_hash(&self, operation: &Value) -> Result<B256, DevkitError> {
        let packed = Packed::parse(self.version, operation)?;
        let request = chain::request(self.bundler, self.address, packed.user_op_hash());
        let request = chain::authorized(request, packed.authorizations);
        let answer = chain::simulate(&self.provider, request).await?;
        Ok(EntryPointV07::getUserOpHashCall::abi_decode_returns_validate(&answer)?)
    }
}
