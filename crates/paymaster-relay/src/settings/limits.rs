//! Settings of policies, and of the standing of accounts.

use proto::{AccountId, Address, EntryPointVersion, Hash};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::amount::WeiAmount;
use super::functions::FunctionSettings;
use super::gas::GasAmount;
use super::spend_limit::SpendLimitSettings;
use super::utc_time::UtcTime;
use crate::account_code::CallFunctions;

/// A sponsorship policy. Every rule must hold. Serialised, it is the document of a version.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicySettings {
    /// The name by which requests choose it (`policyId`).
    pub id: String,
    /// The chains on which it sponsors. Empty: all.
    #[serde(default)]
    pub chain_ids: Vec<u64>,
    /// The senders that are sponsored. Empty: any.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub senders: Vec<Address>,
    /// The senders that are not sponsored, whatever else allows them.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub blocked_senders: Vec<Address>,
    /// The versions of the EntryPoint that it sponsors operations of. Empty: any.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub entry_point_versions: Vec<EntryPointVersion>,
    /// The time from which it sponsors, in UTC: `2026-12-01T00:00:00Z`. Unset: always.
    #[serde(default)]
    pub not_before: Option<UtcTime>,
    /// The time until which it sponsors, in UTC. No window reaches beyond it, so that no operation
    /// is mined later; the last one is sponsored when `min_validity_seconds` and a block are left.
    /// Unset: forever.
    #[serde(default)]
    pub not_after: Option<UtcTime>,
    /// Seconds a sponsorship is valid for, at most `relay.validity_seconds`, which is the default.
    #[serde(default)]
    pub validity_seconds: Option<u64>,
    /// The origins whose pages it sponsors (the header `Origin`), for example
    /// `https://dapp.example`; `chrome-extension://*`, `null`, and `missing` for requests without
    /// one, as servers send them. It binds browsers only: any other client can send any origin.
    /// Empty: any.
    #[serde(default)]
    pub origins: Vec<String>,
    /// The ids of the API keys that may use it (`super-relay api-key list`). Empty: any, and
    /// requests without a key.
    #[serde(default)]
    pub api_keys: Vec<String>,
    /// The contracts that the callData may call; every inner call of a batch is checked, and an
    /// unknown encoding is refused. The sender's own code decides what it does with its callData,
    /// so it has to be that of a known account or one of `account_codes`. A call to the account
    /// itself is a call like any other. Empty: any.
    #[serde(default)]
    pub targets: Vec<TargetSettings>,
    /// The factories that may create the account, and the contracts it may delegate to (EIP-7702),
    /// by the operation or already: their execution is paid for as well. They do not restrict a
    /// sender that is deployed as a contract. Empty: any, but none if `targets` are listed.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub factories: Vec<Address>,
    /// Further account code that `targets` accepts, beside the known accounts of
    /// `docs/accounts.md`. Without `targets`, listing some makes the policy sponsor these and the
    /// known ones only.
    #[serde(default)]
    pub account_codes: Vec<AccountCodeSettings>,
    /// Keccak-256 of the runtime code of further ERC-1967 proxies, whose implementation is then
    /// held against the known and listed ones. The code must run the implementation in that slot
    /// and nothing else.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub account_proxies: Vec<Hash>,
    /// Sponsors accounts with any code, also under `targets`: whoever deploys an account whose
    /// `execute` ignores its arguments has calls paid for that are not listed. Refused in
    /// production, unless `senders` are listed.
    #[serde(default)]
    pub any_account_code: bool,
    /// Wei. The maximum worst-case cost of an operation: the prefund that the EntryPoint takes. It
    /// bounds one operation, not the total over time, and fees may be as high as it allows: without
    /// `limits`, with `default_account`, each account can use up the whole deposit, one operation
    /// after the other.
    pub max_cost_per_operation: WeiAmount,
    /// How much it spends over time, counted before anything is signed.
    #[serde(default)]
    pub limits: Vec<SpendLimitSettings>,
    /// The maximum `callGasLimit`. Gas that is paid for without being used is the bundler's gain,
    /// and users can be their own bundlers: EntryPoints from v0.7 on charge a tenth of unused gas.
    /// Unset: any.
    #[serde(default)]
    pub max_call_gas: Option<GasAmount>,
    /// The maximum `verificationGasLimit`. Unset: any.
    #[serde(default)]
    pub max_verification_gas: Option<GasAmount>,
    /// The maximum `preVerificationGas`, all of which goes to the bundler. On an L2 it also pays
    /// for data on L1, and follows the price there. Unset: any.
    #[serde(default)]
    pub max_pre_verification_gas: Option<GasAmount>,
    /// The maximum `preVerificationGas`, in percent of what the relay estimates that a bundler
    /// needs for the operation alone (EIP-7623): at least 100. Not for L2s, where this gas also
    /// pays for data on L1, which the estimate leaves out. Unset: any.
    #[serde(default)]
    pub max_pre_verification_percent: Option<u32>,
    /// The maximum of the three together. Unset: any.
    #[serde(default)]
    pub max_gas_per_operation: Option<GasAmount>,
    /// Wei per gas. The maximum `maxFeePerGas`. Unset: any.
    #[serde(default)]
    pub max_fee_per_gas: Option<WeiAmount>,
    /// Wei per gas. The maximum `maxPriorityFeePerGas`, which goes to the bundler. An operation
    /// whose two fees are equal is charged that, whatever the base fee. Unset: any.
    #[serde(default)]
    pub max_priority_fee_per_gas: Option<WeiAmount>,
    /// The maximum `maxFeePerGas`, in percent of the base fee of the latest block and the tip that
    /// the chain's node suggests (`eth_maxPriorityFeePerGas`) together: at least 100. Unset: any.
    #[serde(default)]
    pub max_fee_percent: Option<u32>,
    /// The maximum `maxPriorityFeePerGas`, in percent of the tip that the chain's node suggests: at
    /// least 100. Where the node suggests 0, no tip is sponsored. Unset: any.
    #[serde(default)]
    pub max_priority_fee_percent: Option<u32>,
    /// Sponsors without a passkey, which accounts with their own signer need. The relay's key also
    /// needs the permission `sponsor_without_passkey` of the trusted application, which only
    /// `bootstrap` grants automatically.
    #[serde(default)]
    pub allow_without_passkey: bool,
    /// Has a bundler simulate each operation (`eth_estimateUserOperationGas`) before its user is
    /// asked and before it is signed, and refuses those that fail. Each chain of the policy needs a
    /// bundler, and while none answers, the policy sponsors nothing. The bundler chooses the gas of
    /// its simulation: limits that are too low are not found.
    #[serde(default)]
    pub simulate: bool,
    /// Rules that are in shadow, by the names of their settings: an operation that violates one is
    /// counted (`relay_shadow_refusals_total`) and logged, and sponsored all the same. Not those
    /// that bound what the relay may spend: `max_cost_per_operation`, `allow_without_passkey`,
    /// `not_before` and `not_after`, nor the standing of accounts.
    #[serde(default)]
    pub shadow: Vec<String>,
    /// The webhook (`webhooks.name`) that decides about each operation, after all other rules:
    /// before its user is asked, and before it is signed. Unset: none.
    #[serde(default)]
    pub webhook: Option<String>,
    /// Wei. The minimum balance of an account.
    #[serde(default)]
    pub min_balance: WeiAmount,
    /// The minimum membership of an account: none, basic or premium.
    #[serde(default)]
    pub min_membership: Membership,
}

impl PolicySettings {
    /// Whether it restricts calls, and accepts them of accounts with any code.
    #[must_use]
    pub fn accepts_calls_of_any_code(&self) -> bool {
        self.any_account_code && !self.targets.is_empty() && self.senders.is_empty()
    }

    /// Whether it depends on the sender's code.
    pub(crate) fn restricts_code(&self) -> bool {
        let restricts = !self.targets.is_empty() || !self.account_codes.is_empty();
        restricts && !self.any_account_code
    }

    pub(crate) fn is_open_on(&self, chain_id: u64) -> bool {
        self.chain_ids.is_empty() || self.chain_ids.contains(&chain_id)
    }
}

/// Code of accounts.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountCodeSettings {
    /// Keccak-256 of the runtime code that makes the calls: of the account itself, of the
    /// implementation behind its proxy, or of its delegate (EIP-7702). For example
    /// `cast keccak $(cast code ADDRESS)`.
    #[schemars(with = "String")]
    pub code_hash: Hash,
    /// The functions by which it executes calls: simple_account_v06, simple_account_v07,
    /// simple_account_v08, light_account, kernel_v2, erc7579, biconomy_v2; safe for a Safe's
    /// singleton, safe_module for its 4337 module. Any other function is refused.
    pub functions: CallFunctions,
}

/// A contract that may be called.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetSettings {
    /// The contract.
    #[schemars(with = "String")]
    pub address: Address,
    /// Its functions that may be called, by selector (`0xa9059cbb`). Without them and `functions`:
    /// any, and plain transfers.
    #[serde(default)]
    pub selectors: Vec<Selector>,
    /// More functions that may be called, by signature, with conditions on their arguments.
    #[serde(default)]
    pub functions: Vec<FunctionSettings>,
    /// Whether accounts may run its code on their own state (`delegatecall`), where it may do
    /// anything with them at the paymaster's expense.
    #[serde(default)]
    pub delegatecall: bool,
}

/// The first four bytes of the Keccak-256 of a function's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub struct Selector(pub [u8; 4]);

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("0x{}", hex::encode(self.0)))
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix("0x").unwrap_or_default();
        let mut bytes = [0; 4];
        hex::decode_to_slice(digits, &mut bytes)
            .map_err(|_| de::Error::custom("a selector is 0x and eight hex digits"))?;
        Ok(Self(bytes))
    }
}

/// The standing of an account with the operator.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StandingSettings {
    /// Whether it is sponsored at all.
    #[serde(default = "yes")]
    pub active: bool,
    /// Wei. Its credit with the operator.
    #[serde(default)]
    pub balance: WeiAmount,
    /// Its membership: none, basic or premium.
    #[serde(default)]
    pub membership: Membership,
}

/// A known account.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountSettings {
    /// The account id. `pk_…` belongs to one passkey and a sender's address, in any case, to that
    /// sender. Any other id belongs to the first to register it: create the account before you list
    /// it. Without a passkey the sender's entry applies, whatever account is named; a sender listed
    /// as inactive is not sponsored for any account.
    #[serde(deserialize_with = "account_id")]
    #[schemars(with = "String")]
    pub id: AccountId,
    /// Whether it is sponsored at all.
    #[serde(default = "yes")]
    pub active: bool,
    /// Wei. Its credit with the operator.
    #[serde(default)]
    pub balance: WeiAmount,
    /// Its membership: none, basic or premium.
    #[serde(default)]
    pub membership: Membership,
}

/// Membership levels, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Membership {
    /// Not a member.
    #[default]
    None,
    /// A member.
    Basic,
    /// A member with the most rights.
    Premium,
}

impl Membership {
    /// Its name in settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "basic",
            Self::Premium => "premium",
        }
    }
}

impl AccountSettings {
    /// The standing without the id.
    #[must_use]
    pub fn standing(&self) -> StandingSettings {
        StandingSettings { active: self.active, balance: self.balance, membership: self.membership }
    }
}

fn yes() -> bool {
    true
}

fn account_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AccountId, D::Error> {
    AccountId::deserialize(deserializer).map(AccountId::with_address_in_lower_case)
}
