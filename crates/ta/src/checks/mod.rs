//! Types for requests that passed every check. Their fields are private to this folder, so nothing
//! else can construct one, and the keys accept nothing else.

mod message;
mod sign;
mod sponsor;

use proto::command::Sponsor;
use proto::{Hash, UserOpHash};

use crate::accounts::Account;
use crate::allowances::Bill;
use crate::webauthn::Gesture;

pub use message::check_message;

/// A sponsorship within the ceilings that the relay approved, and the user too unless the relay may
/// sponsor without a passkey.
pub(crate) struct CheckedSponsorship<'a> {
    command: &'a Sponsor,
    bill: Bill,
    user: Option<UserApproval<'a>>,
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
