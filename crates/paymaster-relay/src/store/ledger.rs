//! The ledger: the store's sponsorships as an account of what was spent, for whom.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use proto::{Address, Hash, Uint256, UserOpHash, Wei};
use serde::{Deserialize, Serialize};

use super::record::Contracts;
use crate::gwei::Gwei;
use crate::store_error::StoreError;

/// What the store knows of the past. Nothing here waits for a request, nor do requests wait for it.
///
/// A sponsorship is counted in the totals of its month in the transaction that settles or releases
/// it, and its row may be deleted later: totals are never summed with rows.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// The sponsorships that match, by chain, then by the time of their request. Looks at a bounded
    /// number of rows, of which any number may match; [`Page::next`] continues.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn page(&self, query: &LedgerQuery) -> Result<Page, StoreError>;

    /// Totals of settled and released sponsorships, a bounded number of rows; the next ones are at
    /// a higher [`UsageQuery::skip`].
    ///
    /// # Errors
    /// [`StoreError`].
    async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageRow>, StoreError>;

    /// Deletes at most `most` settled or released sponsorships of a chain, requested before that
    /// time and with windows that ended before; returns how many. They stay counted in the totals,
    /// and an idempotency key of a settled one keeps standing for its intent. None is deleted that
    /// an open reservation or the next [reconciliation](Reconciled) may need.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn forget(&self, chain_id: u64, before: u64, most: u32) -> Result<u64, StoreError>;

    /// What the settled operations cost that were requested at these contracts since the hour (UTC)
    /// of that time.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn spent_since(&self, contracts: Contracts, time: u64) -> Result<Gwei, StoreError>;

    /// How the operations of an account ended that were requested on a chain since the day (UTC) of
    /// that time, and are settled by a log.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn outcomes_since(&self, chain_id: u64, sender: Address, time: u64) -> Result<Outcomes, StoreError>;

    /// What is booked as mined at these contracts in the blocks after the first, up to the last.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn booked_between(&self, contracts: Contracts, after: u64, last: u64) -> Result<Wei, StoreError>;

    /// How an operation is booked; `None` if no sponsorship is known for it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn booking(&self, contracts: Contracts, operation: &Operation) -> Result<Option<Booking>, StoreError>;

    /// The block up to which these contracts were reconciled.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn reconciled(&self, contracts: Contracts) -> Result<Option<Reconciled>, StoreError>;

    /// Records the block up to which these contracts were reconciled.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn note_reconciled(&self, contracts: Contracts, reconciled: Reconciled) -> Result<(), StoreError>;
}

/// How operations ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Number of those whose call succeeded.
    pub succeeded: u64,
    /// Number of those whose call reverted.
    pub reverted: u64,
}

/// A mined operation that is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// `getUserOpHash`.
    pub hash: UserOpHash,
    /// The account.
    pub sender: Address,
    /// Its nonce.
    pub nonce: Uint256,
}

/// How an operation is booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booking {
    /// The block; `None` if it is not booked as mined.
    pub block: Option<u64>,
    /// The cost, of all its sponsorships together.
    pub cost: Wei,
}

/// A final block in which ledger and chain were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconciled {
    /// Its number.
    pub block: u64,
    /// Its hash.
    pub hash: Hash,
    /// The paymaster's deposit at its end; `None` if the node did not have its state.
    pub deposit: Option<Wei>,
}

/// Which sponsorships, and after which one. An absent bound holds for all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LedgerQuery {
    /// [`Page::next`] of the page before.
    pub after: Option<Position>,
    /// Unix seconds: requested at this time or later.
    pub from: Option<u64>,
    /// Unix seconds: requested before this time.
    pub to: Option<u64>,
    /// EIP-155 chain id.
    pub chain_id: Option<u64>,
    /// The policy.
    pub policy: Option<String>,
    /// The id of the API key.
    pub api_key: Option<String>,
    /// The smart account.
    pub sender: Option<Address>,
    /// The state.
    pub state: Option<EntryState>,
}

impl LedgerQuery {
    /// Whether an entry is wanted.
    #[must_use]
    pub fn admits(&self, entry: &Entry) -> bool {
        fn is<T: PartialEq>(wanted: Option<&T>, found: &T) -> bool {
            wanted.is_none_or(|wanted| wanted == found)
        }
        self.from.is_none_or(|from| from <= entry.requested_at)
            && self.to.is_none_or(|to| entry.requested_at < to)
            && is(self.chain_id.as_ref(), &entry.chain_id)
            && is(self.policy.as_ref(), &entry.policy)
            && self.api_key.as_ref().is_none_or(|key| entry.api_key.as_ref() == Some(key))
            && is(self.sender.as_ref(), &entry.sender)
            && is(self.state.as_ref(), &entry.state)
    }
}

/// A place in the order of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Position {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Unix seconds.
    pub requested_at: u64,
    /// The number of the row.
    pub row: i64,
}

/// Entries, and where they continue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Those that match.
    pub entries: Vec<Entry>,
    /// Where to continue; `None` at the end.
    pub next: Option<Position>,
}

/// A sponsorship.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// Unix seconds of the request.
    pub requested_at: u64,
    /// Its state.
    pub state: EntryState,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The EntryPoint.
    pub entry_point: Address,
    /// The paymaster.
    pub paymaster: Address,
    /// The named account.
    pub account_id: String,
    /// The smart account.
    pub sender: Address,
    /// The policy.
    pub policy: String,
    /// The id of the API key that presented the request.
    pub api_key: Option<String>,
    /// Unix seconds at which its window ends.
    pub valid_until: u64,
    /// Wei, decimal: reserved for it, its worst case rounded up to gwei.
    #[serde(with = "decimal")]
    pub worst_case: Wei,
    /// Wei, decimal: what the paymaster paid (`actualGasCost`). In state `unknown` an estimate;
    /// rounded up to gwei if a version before the ledger settled it.
    #[serde(with = "decimal::optional")]
    pub cost: Option<Wei>,
    /// Gas that was paid for (`actualGasUsed`).
    pub gas_used: Option<u64>,
    /// Whether the account's call succeeded.
    pub succeeded: Option<bool>,
    /// The block.
    pub block: Option<u64>,
    /// The transaction.
    pub transaction: Option<Hash>,
    /// `getUserOpHash` of what was signed last.
    pub user_op_hash: Option<UserOpHash>,
}

/// The state of a sponsorship, for operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryState {
    /// The cost is reserved, and nothing signed.
    Reserved,
    /// Signed, and not mined yet.
    Signed,
    /// Mined, in a block that is not final yet.
    Mined,
    /// Mined, in a final block.
    Settled,
    /// Refused, or expired.
    Released,
    /// Settled without a log: its nonce was used, and no log shows by which operation.
    Unknown,
}

impl EntryState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Reserved, Self::Signed, Self::Mined, Self::Settled, Self::Released, Self::Unknown];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Signed => "signed",
            Self::Mined => "mined",
            Self::Settled => "settled",
            Self::Released => "released",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for EntryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no value of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {expected}")]
pub struct UnknownName {
    /// The list.
    pub expected: &'static str,
}

impl FromStr for EntryState {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let expected = "reserved, signed, mined, settled, released, unknown";
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownName { expected })
    }
}

/// What totals are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UsageQuery {
    /// The subject of a row, with chain and month.
    pub by: UsageBy,
    /// The first month, as in `2026-11`.
    pub from: Option<String>,
    /// The last month.
    pub to: Option<String>,
    /// Number of rows to leave out.
    pub skip: u32,
}

/// The subject of a row of totals. Wei of several chains are never summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UsageBy {
    /// A policy in a month.
    Policy,
    /// An API key in a month.
    ApiKey,
    /// A month.
    Month,
    /// A chain, over all months.
    Chain,
}

impl FromStr for UsageBy {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "policy" => Ok(Self::Policy),
            "api-key" => Ok(Self::ApiKey),
            "month" => Ok(Self::Month),
            "chain" => Ok(Self::Chain),
            _ => Err(UnknownName { expected: "policy, api-key, month, chain" }),
        }
    }
}

/// Totals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageRow {
    /// The month of the requests (UTC), as in `2026-11`; empty for all.
    pub month: String,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The policy, or the id of the API key; empty for requests without one, and for rows of months
    /// and chains.
    pub subject: String,
    /// Number of sponsorships whose operation was mined, or may have been.
    pub settled: u64,
    /// Number of those whose call succeeded.
    pub succeeded: u64,
    /// Number of those whose call reverted.
    pub reverted: u64,
    /// Number of sponsorships whose operation was not mined.
    pub released: u64,
    /// Wei, decimal: the sum of the settled ones' worst cases.
    #[serde(with = "decimal")]
    pub worst_case: Wei,
    /// Wei, decimal: the sum of their costs.
    #[serde(with = "decimal")]
    pub cost: Wei,
    /// The sum of their gas.
    pub gas_used: u64,
}

/// Wei as a decimal string, which spreadsheets and other programs read.
mod decimal {
    use proto::Wei;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(wei: &Wei, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&wei.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Wei, D::Error> {
        String::deserialize(deserializer)?.parse().map(Wei).map_err(D::Error::custom)
    }

    pub(super) mod optional {
        use proto::Wei;
        use serde::de::Error as _;
        use serde::{Deserialize, Deserializer, Serializer};

        pub(in super::super) fn serialize<S: Serializer>(wei: &Option<Wei>, serializer: S) -> Result<S::Ok, S::Error> {
            match wei {
                Some(wei) => serializer.collect_str(&wei.0),
                None => serializer.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Wei>, D::Error> {
            let text: Option<String> = Option::deserialize(deserializer)?;
            text.map(|text| text.parse().map(Wei).map_err(D::Error::custom)).transpose()
        }
    }
}
