//! Types for requests that passed every check. Their fields are private to this folder, so nothing
//! else can construct one, and the keys accept nothing else.

mod message;
mod sign;
mod sponsor;

use proto::command::{Deployment, Sponsor};
use proto::{Address, Hash, PaymasterDigest, UserOpHash, Wei};

use crate::accounts::Account;
use crate::webauthn::Gesture;

pub use message::check_message;

/// A sponsorship within the ceilings that the relay approved, and the user too unless the relay may
/// sponsor without a passkey.
pub(crate) struct CheckedSponsorship<'a> {
    command: &'a Sponsor,
    bill: Bill,
    user: Option<UserApproval<'a>>,
}

/// What a checked sponsorship is charged for.
#[derive(Clone, Copy)]
pub(crate) struct Bill {
    deployment: Deployment,
    signer: Address,
    digest: PaymasterDigest,
    cost: Wei,
}

/// An operation that the relay and a passkey of that account approved.
pub(crate) struct CheckedOperation<'a> {
    user: UserApproval<'a>,
    hash: UserOpHash,
}

/// A message that a passkey of that account approved, and whose digest is no operation's.
pub(crate) struct CheckedMessage<'a> {
    user: UserApproval<'a>,
    digest: Hash,
}

/// A passkey of the account approved the operation or message.
#[derive(Clone, Copy)]
struct UserApproval<'a> {
    account: &'a Account,
    gesture: Gesture,
}

impl Bill {
    /// The deployment that pays.
    pub(crate) fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// The address of the key that signs.
    pub(crate) fn signer(&self) -> Address {
        self.signer
    }

    /// The digest to sign, which the paymaster contract checks.
    pub(crate) fn digest(&self) -> PaymasterDigest {
        self.digest
    }

    /// The worst case.
    pub(crate) fn cost(&self) -> Wei {
        self.cost
    }
}

impl<'a> CheckedOperation<'a> {
    /// The account the operation was checked for.
    pub(crate) fn account(&self) -> &'a Account {
        self.user.account
    }

    /// The EntryPoint's hash of the operation.
    pub(crate) fn hash(&self) -> UserOpHash {
        self.hash
    }

    /// The gesture that approved it.
    pub(crate) fn gesture(&self) -> Gesture {
        self.user.gesture
    }
}

impl<'a> CheckedMessage<'a> {
    /// The account the message was checked for.
    pub(crate) fn account(&self) -> &'a Account {
        self.user.account
    }

    /// The digest to sign.
    pub(crate) fn digest(&self) -> Hash {
        self.digest
    }

    /// The gesture that approved it.
    pub(crate) fn gesture(&self) -> Gesture {
        self.user.gesture
    }
}
