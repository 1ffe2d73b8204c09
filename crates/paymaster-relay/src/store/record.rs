//! The shapes of what is remembered.

use std::fmt;

use proto::{AccountId, Address, EntryPoint, Hash, IntentHash, Signature, Terms, Uint256, UserOpHash};
use uuid::Uuid;

use crate::budget::Charged;
use crate::clients::ApiKeyId;
use crate::deployment::Deployment;
use crate::gwei::Gwei;
use crate::principal::Principal;

/// The name of a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SponsorshipId(pub(in crate::store) String);

impl SponsorshipId {
    /// A new name that nobody guesses.
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

/// Where an idempotency key is unique.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeySpace {
    chain_id: u64,
    owner: String,
}

impl KeySpace {
    /// The principal's on that chain, where somebody answers for the account id. Otherwise the
    /// principal may be anybody (a publishable key, or nobody), and each sender has a space of its
    /// own: one caller can't take the keys of another.
    #[must_use]
    pub fn of(chain_id: u64, principal: &Principal, is_vouched: bool, sender: &Address) -> Self {
        let owner = if is_vouched { principal.to_string() } else { format!("{principal}/{}", hex::encode(sender.0)) };
        Self { chain_id, owner }
    }

    /// EIP-155.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// As the column `key_space` spells it.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }
}

/// How far a sponsorship is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The cost is reserved, the intent recorded; nothing is signed, as far as anybody outside
    /// knows.
    Reserved,
    /// The signatures left, or may have.
    Signed,
    /// It was mined, in a block that is not final yet. It is still reserved: the block may be
    /// reorganised away.
    Mined,
    /// It was mined, and its block is final.
    Settled,
    /// Refused, or over.
    Released,
}

impl State {
    /// Whether the chain has it, as far as it was read.
    #[must_use]
    pub const fn is_mined(self) -> bool {
        matches!(self, Self::Mined | Self::Settled)
    }
}

/// A sponsorship about to be reserved.
#[derive(Clone, Debug)]
pub struct NewSponsorship {
    /// Its name.
    pub id: SponsorshipId,
    /// Which request it is.
    pub intent: IntentHash,
    /// The account that is named.
    pub account_id: AccountId,
    /// Who stands behind it.
    pub principal: Principal,
    /// Whether somebody answers for the account id: its passkey, or the server that holds the API
    /// key. Only then the account has counters of its own; what anybody can name, anybody could
    /// fill for others.
    pub is_vouched: bool,
    /// The API key that presented it.
    pub api_key: Option<ApiKeyId>,
    /// The client's own name for the request.
    pub idempotency_key: Option<String>,
    /// By which policy.
    pub policy_id: String,
    /// By which paymaster.
    pub deployment: Deployment,
    /// The latest block when it was judged. It can be in no older one, so settlement begins there
    /// at the latest.
    pub block: u64,
    /// The account's contract.
    pub sender: Address,
    /// The operation's nonce.
    pub account_nonce: Uint256,
    /// On what terms.
    pub terms: Terms,
    /// The worst case.
    pub max_cost: Gwei,
    /// Unix seconds.
    pub created_at: u64,
}

impl NewSponsorship {
    /// Where its idempotency key is unique.
    #[must_use]
    pub fn key_space(&self) -> KeySpace {
        KeySpace::of(self.deployment.entry_point.chain_id, &self.principal, self.is_vouched, &self.sender)
    }

    /// Whom it is counted for.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// What an idempotency key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// Which request.
    pub intent: IntentHash,
    /// Whether it was mined, in a block that may not be final yet; otherwise the key gets free when
    /// its window is over.
    pub is_mined: bool,
}

/// A sponsorship as remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub id: SponsorshipId,
    /// How far it is.
    pub state: State,
    /// By which policy.
    pub policy_id: String,
    /// On what terms.
    pub terms: Terms,
    /// What was signed on these terms.
    pub signed: Option<Signed>,
    /// Times the KMS was asked to sign for it.
    pub signings: u32,
}

/// A reservation whose window is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Its name.
    pub id: SponsorshipId,
    /// The account's contract.
    pub sender: Address,
    /// The operation's nonce.
    pub nonce: Uint256,
    /// The latest block when it was reserved; `None` where an earlier version has reserved it.
    pub block: Option<u64>,
}

/// What was signed, and for which approval of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The user's approval ([`proto::command::user_signature_hash`]).
    pub user_signature_hash: Hash,
    /// `getUserOpHash` of the final operation.
    pub user_op_hash: UserOpHash,
    /// Address of the paymaster's key in the TEE.
    pub paymaster_signer: Address,
    /// The paymaster's.
    pub paymaster_signature: Signature,
    /// The account's, when a passkey approved it.
    pub account_signature: Option<Signature>,
    /// Unix seconds of the relay's approval.
    pub timestamp: u64,
}

/// What was read of the chain for one deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlocksRead {
    /// The first block that was read.
    pub from: u64,
    /// The last block that was read.
    pub to: u64,
    /// The latest block there was.
    pub latest: u64,
    /// The newest block that is final; `None` on a chain that is too young.
    pub last_final: Option<u64>,
    /// Every operation that the deployment's paymaster paid for in these blocks.
    pub mined: Vec<(UserOpHash, Settlement)>,
    /// The block to read next: not before one that was read already, unless the chain turned out to
    /// be shorter.
    pub next: u64,
}

/// What came of [`BlocksRead`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Operations of ours among those that were read.
    pub ours: u64,
    /// Operations that no sponsorship is known for.
    pub unknown: Vec<(UserOpHash, Settlement)>,
    /// Sponsorships that were mined before, and are no more: their blocks were reorganised away.
    pub reorganised: u64,
}

/// What the chain says about an operation that was mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// In which block.
    pub block: u64,
    /// What the paymaster paid.
    pub cost: Gwei,
    /// Whether the account's call succeeded.
    pub succeeded: bool,
}
