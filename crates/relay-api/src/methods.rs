//! The table of methods: names, parameters, result, and the API key's scope: a scope; `Nothing` for
//! none, though calls are counted; or empty, where calls are not counted either.

use jsonrpsee::proc_macros::rpc;
use jsonrpsee::types::ErrorObjectOwned;
use proto::command::PasskeyAssertion;
use proto::{AccountId, Address, Quantity, UserOpHash};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::openrpc::OpenRpc;
use crate::parameter::{Described, Param};
use crate::parameters::{
    BundledOperation, ChainId, Context, InvitationOptions, Options, PolicyIds, StateOverrides, UserOperation,
    ValidationOptions,
};
use crate::results::{
    AccountInfo, BundlerResult, Intent, Invitation, PaymasterFields, SponsorResult, SponsoredGas, StubData, ValidPolicy,
};
use crate::schema::{
    AddressText, FoundOperationObject, GasEstimateObject, GasPriceObject, HashText, QuantityText, ReceiptObject,
};
use crate::scope::Scope;

/// A method under one of its names.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    name: &'static str,
    row: &'static Row,
}

#[derive(Debug)]
struct Row {
    names: &'static [&'static str],
    doc: &'static [&'static str],
    scope: Option<Scope>,
    is_counted: bool,
    parameters: &'static [Described],
    result: (&'static str, fn(&mut SchemaGenerator) -> Schema),
}

impl Method {
    /// Every method under every name.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().flat_map(|row| row.names.iter().map(move |name| Self { name, row }))
    }

    /// The method with that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|method| method.name == name)
    }

    /// The name it was called by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// The scope that an API key needs for it; public facts need none.
    #[must_use]
    pub const fn scope(self) -> Option<Scope> {
        self.row.scope
    }

    /// Whether its calls count against rates and quotas: all but those for a short fact.
    #[must_use]
    pub const fn is_counted(self) -> bool {
        self.row.is_counted
    }

    /// The maximum number of parameters.
    #[must_use]
    pub const fn positions(self) -> usize {
        self.row.parameters.len()
    }

    pub(crate) fn summary(self) -> String {
        self.row.doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
    }

    pub(crate) const fn parameters(self) -> &'static [Described] {
        self.row.parameters
    }

    /// Name and schema of the result.
    pub(crate) fn result(self, generator: &mut SchemaGenerator) -> (&'static str, Schema) {
        let (name, schema) = self.row.result;
        (name, schema(generator))
    }
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

macro_rules! methods {
    ($(
        $(#[doc = $doc:literal])+
        [$($needs:ident)?] $name:tt $(, $alias:tt)? =>
        $function:ident($($argument:ident: $parameter:ty),*) -> $answer:literal $result:ty $(as $shown:ty)?;
    )+) => {
        /// The relay's methods. jsonrpsee accepts any value as a parameter: the relay's own refusal
        /// explains what is wrong with one (docs/adr/0027).
        #[rpc(server, client)]
        pub trait RelayApi {
            $(
                $(#[doc = $doc])+
                #[method(name = $name, aliases = [$($alias)?], with_extensions)]
                async fn $function(&self $(, $argument: Param<$parameter>)*) -> Result<$result, ErrorObjectOwned>;
            )+
        }

        static ROWS: &[Row] = &[$(Row {
            names: &[$name $(, $alias)?],
            doc: &[$($doc),+],
            scope: methods!(@scope $($needs)?),
            is_counted: methods!(@is_counted $($needs)?),
            parameters: &[$(Described::of::<$parameter>()),*],
            result: ($answer, schema_of::<methods!(@shown $result $(, $shown)?)>),
        }),+];
    };
    (@scope) => { None };
    (@scope Nothing) => { None };
    (@scope $scope:ident) => { Some(Scope::$scope) };
    (@is_counted) => { false };
    (@is_counted $needs:ident) => { true };
    (@shown $result:ty) => { $result };
    (@shown $result:ty, $shown:ty) => { $shown };
}

methods! {
    /// Sponsors a user operation, and has the account's key in the TEE sign it if a passkey
    /// approved it: the result is the complete operation, ready to send. With the option `dryRun`
    /// it only says what each rule would say, and charges nothing.
    [Sponsor] "pm_sponsor_with_tee", "pm_sponsor_with_passkey" =>
    sponsor(
        user_operation: UserOperation, account_id: AccountId, passkey: Option<PasskeyAssertion>, options: Options
    ) -> "sponsoredOperation" SponsorResult;

    /// What a passkey has to approve for a sponsorship, as WebAuthn request options.
    [Sponsor] "pm_getSponsorshipIntent" =>
    intent(user_operation: UserOperation, account_id: AccountId, options: Options) -> "intent" Intent;

    /// ERC-7677: paymaster fields for an estimate, with a signature that never validates.
    [Sponsor] "pm_getPaymasterStubData" =>
    stub_data(
        user_operation: UserOperation, entry_point: Address, chain_id: ChainId, context: Context
    ) -> "stubData" StubData;

    /// ERC-7677: the paymaster fields of a sponsored operation.
    [Sponsor] "pm_getPaymasterData" =>
    paymaster_data(
        user_operation: UserOperation, entry_point: Address, chain_id: ChainId, context: Context
    ) -> "paymasterFields" PaymasterFields;

    /// Pimlico's: gas and paymaster fields of a sponsored operation. What gas it lacks is estimated
    /// by the chain's bundler.
    [Sponsor] "pm_sponsorUserOperation" =>
    sponsor_user_operation(
        user_operation: UserOperation, entry_point: Address, context: Context
    ) -> "sponsoredGas" SponsoredGas;

    /// Pimlico's: those of the policies that would sponsor the operation; with the option
    /// `verdicts` all of them, and what each of their rules says.
    [Sponsor] "pm_validateSponsorshipPolicies" =>
    validate_policies(
        user_operation: UserOperation, entry_point: Address, policy_ids: PolicyIds, options: ValidationOptions
    ) -> "validPolicies" Vec<ValidPolicy>;

    /// The addresses of the EntryPoints, the default first.
    [] "pm_supportedEntryPoints" =>
    supported_entry_points() -> "entryPoints" Vec<Address> as Vec<AddressText>;

    /// The id of the path's chain, or of the only one.
    [] "pm_chainId" =>
    chain_id() -> "chainId" Quantity<u64> as QuantityText;

    /// What the TEE and the operator know about an account.
    [Accounts] "pm_get_account_info" =>
    account_info(account_id: AccountId) -> "account" AccountInfo;

    /// Signs an invitation to create accounts at the KMS, for the holder of a server's API key.
    [Invite] "pm_createAccountInvitation" =>
    create_invitation(options: InvitationOptions) -> "invitation" Invitation;

    /// ERC-7769, passed on to the chain's bundler: sends an operation.
    [Bundler] "eth_sendUserOperation" =>
    send_user_operation(
        user_operation: BundledOperation, entry_point: Address
    ) -> "userOpHash" BundlerResult as HashText;

    /// ERC-7769, passed on to the chain's bundler: the gas that an operation needs.
    [Bundler] "eth_estimateUserOperationGas" =>
    estimate_user_operation_gas(
        user_operation: BundledOperation, entry_point: Address, state_overrides: StateOverrides
    ) -> "gasEstimate" BundlerResult as GasEstimateObject;

    /// ERC-7769, passed on to the chain's bundler: the receipt of an operation; null until it is
    /// mined.
    [Bundler] "eth_getUserOperationReceipt" =>
    user_operation_receipt(
        user_op_hash: UserOpHash
    ) -> "receipt" BundlerResult as Option<ReceiptObject>;

    /// ERC-7769, passed on to the chain's bundler: an operation; null if it does not know it.
    [Bundler] "eth_getUserOperationByHash" =>
    user_operation_by_hash(
        user_op_hash: UserOpHash
    ) -> "operation" BundlerResult as Option<FoundOperationObject>;

    /// ERC-7769, passed on to the chain's bundler: the addresses of its EntryPoints.
    [Bundler] "eth_supportedEntryPoints" =>
    bundler_entry_points() -> "entryPoints" BundlerResult as Vec<AddressText>;

    /// Pimlico's, passed on to the chain's bundler: the fees that it accepts.
    [Bundler] "pimlico_getUserOperationGasPrice" =>
    user_operation_gas_price() -> "gasPrice" BundlerResult as GasPriceObject;

    /// The chain id, which providers (ethers, web3.py) request before anything else.
    [] "eth_chainId" =>
    eth_chain_id() -> "chainId" Quantity<u64> as QuantityText;

    /// The chain id in decimal.
    [] "net_version" =>
    net_version() -> "chainId" String;

    /// `super-relay/` and the version.
    [] "web3_clientVersion" =>
    client_version() -> "clientVersion" String;

    /// This document (OpenRPC 1.3).
    [Nothing] "rpc.discover" =>
    discover() -> "document" OpenRpc;
}
