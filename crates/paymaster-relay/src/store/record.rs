//! The record types of the store.

use std::fmt;

use proto::{AccountId, Address, EntryPoint, Hash, IntentHash, Signature, Terms, Uint256, UserOpHash, Wei};
use uuid::Uuid;

use crate::budget::Charged;
use crate::clients::ApiKeyId;
use crate::deployment::Deployment;
use crate::gwei::Gwei;
use crate::principal::Principal;
use crate::spend::Charge;

/// The id of a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SponsorshipId(pub(in crate::store) String);

impl SponsorshipId {
    /// A new unguessable id.
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for SponsorshipId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for SponsorshipId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The space in which an idempotency key is unique.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeySpace {
    chain_id: u64,
    owner: String,
}

impl KeySpace {
    /// The principal's space on that chain, if the account id is vouched for. Otherwise the
    /// principal may be anyone (with a publishable key, or without a key), and each sender has its
    /// own space: one caller cannot take another's keys.
    #[must_use]
    pub fn of(chain_id: u64, principal: &Principal, is_vouched: bool, sender: &Address) -> Self {
        let owner = if is_vouched { principal.to_string() } else { format!("{principal}/{}", hex::encode(sender.0)) };
        Self { chain_id, owner }
    }

    /// As read from the columns `chain_id` and `key_space`.
    pub(in crate::store) const fn stored(chain_id: u64, owner: String) -> Self {
        Self { chain_id, owner }
    }

    /// EIP-155 chain id.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// As stored in the column `key_space`.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }
}

/// The state of a sponsorship.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The cost is reserved and the intent recorded; as far as anyone else knows, nothing is
    /// signed.
    Reserved,
    /// The signatures were returned, or may have been.
    Signed,
    /// It was mined, in a block that is not final yet. It is still reserved: the block may be
    /// reorganised away.
    Mined,
    /// It was mined, and its block is final.
    Settled,
    /// Refused, or expired.
    Released,
}

impl State {
    /// Whether it was mined, according to the blocks read.
    #[must_use]
    pub const fn is_mined(self) -> bool {
        matches!(self, Self::Mined | Self::Settled)
    }
}

/// A sponsorship about to be reserved.
#[derive(Clone, Debug)]
pub struct NewSponsorship {
    /// Its id.
    pub id: SponsorshipId,
    /// Identifies the request.
    pub intent: IntentHash,
    /// The named account.
    pub account_id: AccountId,
    /// The principal.
    pub principal: Principal,
    /// Whether the account id is vouched for: by its passkey, or by the server that holds the API
    /// key. Only then does the account have its own counters; counters that anyone could name could
    /// be filled by anyone.
    pub is_vouched: bool,
    /// The API key that presented it.
    pub api_key: Option<ApiKeyId>,
    /// The client's idempotency key for the request.
    pub idempotency_key: Option<String>,
    /// The policy.
    pub policy_id: String,
    /// The deployment.
    pub deployment: Deployment,
    /// The latest block when it was judged. It cannot be in an older one, so settlement begins
    /// there at the latest.
    pub block: u64,
    /// The smart account.
    pub sender: Address,
    /// The operation's nonce.
    pub account_nonce: Uint256,
    /// The terms.
    pub terms: Terms,
    /// The worst-case cost.
    pub max_cost: Gwei,
    /// What it is counted in under the limits of its policy, in the order of checking.
    pub charges: Vec<Charge>,
    /// Micro-dollars for one coin, where a charge is in US dollars.
    pub price: Option<u64>,
    /// Unix seconds.
    pub created_at: u64,
    /// The webhook that is told what becomes of it.
    pub webhook: Option<String>,
}

impl NewSponsorship {
    /// The space in which its idempotency key is unique.
    #[must_use]
    pub fn key_space(&self) -> KeySpace {
        KeySpace::of(self.deployment.entry_point.chain_id, &self.principal, self.is_vouched, &self.sender)
    }

    /// The subjects it is counted for.
    #[must_use]
    pub fn charged(&self) -> Charged<'_> {
        Charged {
            principal: &self.principal,
            account_id: &self.account_id,
            is_vouched: self.is_vouched,
            api_key: self.api_key.as_ref(),
        }
    }
}

/// The contracts of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Contracts {
    /// EIP-155 id of their chain.
    pub chain_id: u64,
    /// The EntryPoint.
    pub entry_point: Address,
    /// The paymaster.
    pub paymaster: Address,
}

impl From<&Deployment> for Contracts {
    fn from(deployment: &Deployment) -> Self {
        let EntryPoint { chain_id, address, .. } = deployment.entry_point;
        Self { chain_id, entry_point: address, paymaster: deployment.paymaster }
    }
}

/// The use of an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// The intent.
    pub intent: IntentHash,
    /// Whether it was mined, in a block that may not be final yet; otherwise the key becomes free
    /// when its window is over.
    pub is_mined: bool,
}

/// A stored sponsorship.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its id.
    pub id: SponsorshipId,
    /// Its state.
    pub state: State,
    /// The client's idempotency key.
    pub idempotency_key: Option<String>,
    /// The policy.
    pub policy_id: String,
    /// The terms.
    pub terms: Terms,
    /// The signatures on these terms.
    pub signed: Option<Signed>,
    /// Number of signings requested from the KMS.
    pub signings: u32,
}

/// An expired reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Its id.
    pub id: SponsorshipId,
    /// The intent.
    pub intent: IntentHash,
    /// The smart account.
    pub sender: Address,
    /// The operation's nonce.
    pub nonce: Uint256,
    /// The latest block when it was reserved; `None` if an earlier version reserved it.
    pub block: Option<u64>,
    /// Its worst-case cost.
    pub max_cost: Gwei,
}

/// The signatures, and the user's approval they were made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The user's approval ([`proto::command::user_signature_hash`]).
    pub user_signature_hash: Hash,
    /// `getUserOpHash` of the final operation.
    pub user_op_hash: UserOpHash,
    /// Address of the paymaster's key in the TEE.
    pub paymaster_signer: Address,
    /// The paymaster's signature.
    pub paymaster_signature: Signature,
    /// The account's signature, if a passkey approved.
    pub account_signature: Option<Signature>,
    /// Unix seconds of the relay's approval.
    pub timestamp: u64,
}

/// What was read of the chain for one deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlocksRead {
    /// The first block read.
    pub from: u64,
    /// The last block read.
    pub to: u64,
    /// The latest block at that time.
    pub latest: u64,
    /// The newest final block; `None` on a chain that is too short.
    pub last_final: Option<u64>,
    /// Every operation that the deployment's paymaster paid for in these blocks.
    pub mined: Vec<(UserOpHash, Settlement)>,
    /// The next block to read: never before one that was already read, unless the chain turned out
    /// to be shorter.
    pub next: u64,
}

/// The result of applying [`BlocksRead`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Number of our operations among those read.
    pub ours: u64,
    /// Operations without a known sponsorship.
    pub unknown: Vec<(UserOpHash, Settlement)>,
    /// Number of sponsorships that are no longer mined: their blocks were reorganised away.
    pub reorganised: u64,
}

/// The chain's report of a mined operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The block.
    pub block: u64,
    /// The transaction.
    pub transaction: Hash,
    /// The amount that the paymaster paid (`actualGasCost`).
    pub cost: Wei,
    /// The gas that it paid for (`actualGasUsed`).
    pub gas_used: u64,
    /// Whether the account's call succeeded.
    pub succeeded: bool,
}

impl Settlement {
    /// The same for another sponsorship of an operation that one sponsorship has paid for.
    #[must_use]
    pub fn paid_elsewhere(self) -> Self {
        Self { cost: Wei::default(), gas_used: 0, ..self }
    }
}
