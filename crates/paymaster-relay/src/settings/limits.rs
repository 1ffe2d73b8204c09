//! Policies, and the standing of accounts, as an operator writes them.

use proto::{AccountId, Address};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::amount::WeiAmount;

/// What is sponsored, and for whom. Every rule must hold.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicySettings {
    /// The name requests choose it by (`policyId`).
    pub id: String,
    /// The only chains that it sponsors on. Empty: all.
    #[serde(default)]
    pub chain_ids: Vec<u64>,
    /// The only senders that are sponsored. Empty: any.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub senders: Vec<Address>,
    /// The only contracts that the callData may name; every inner call of a batch is looked at, and
    /// an encoding that is not understood is refused. What the sender does with its callData is its
    /// own code's choice: without `senders`, any contract passes whose `execute` ignores its
    /// arguments. Empty: any.
    #[serde(default)]
    pub targets: Vec<TargetSettings>,
    /// The only factories that may create the account, and the only contracts it may delegate to
    /// (EIP-7702): what they do is paid for as well. They don't restrict a sender that is already
    /// deployed or delegated. Empty: any, but none where `targets` are listed.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub factories: Vec<Address>,
    /// Wei. The most an operation may cost at worst: the prefund the EntryPoint takes. It bounds
    /// one operation, not what is spent over time, and fees may be as high as it allows: with
    /// `default_account`, each account can take the whole deposit, one operation after the other.
    pub max_cost_per_operation: WeiAmount,
    /// Sponsors without a passkey, as accounts with their own signer need it. The relay's key needs
    /// the permission `sponsor_without_passkey` of the trusted application too, which only
    /// `bootstrap` gives by itself.
    #[serde(default)]
    pub allow_without_passkey: bool,
    /// Wei. The least balance of an account.
    #[serde(default)]
    pub min_balance: WeiAmount,
    /// The lowest membership of an account: none, basic or premium.
    #[serde(default)]
    pub min_membership: Membership,
}

impl PolicySettings {
    pub(crate) fn is_open_on(&self, chain_id: u64) -> bool {
        self.chain_ids.is_empty() || self.chain_ids.contains(&chain_id)
    }
}

/// A contract that may be called.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetSettings {
    /// The contract.
    #[schemars(with = "String")]
    pub address: Address,
    /// The only functions of it, by selector (`0xa9059cbb`). Empty: any, and plain transfers.
    #[serde(default)]
    pub selectors: Vec<Selector>,
}

/// The first four bytes of the Keccak-256 of a function's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub struct Selector(pub [u8; 4]);

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

/// How an account stands with the operator.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StandingSettings {
    /// Whether it is sponsored at all.
    #[serde(default = "yes")]
    pub active: bool,
    /// Wei. Its credit in the operator's books.
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
    /// sender. Any other id belongs to whoever registers it first: create the account before you
    /// list it. Without a passkey the entry of the sender decides, whatever account is named; a
    /// sender that is listed as inactive is sponsored for no account.
    #[serde(deserialize_with = "account_id")]
    #[schemars(with = "String")]
    pub id: AccountId,
    /// Whether it is sponsored at all.
    #[serde(default = "yes")]
    pub active: bool,
    /// Wei. Its credit in the operator's books.
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
    /// The word for it, as in settings.
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
    /// The standing alone.
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
