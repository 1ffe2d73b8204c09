//! What passed every check. The fields are private to this folder, so nothing else can make one,
//! and the keys take nothing else.

mod sign;
mod sponsor;

use proto::UserOpHash;
use proto::command::Sponsor;

use crate::accounts::Account;
use crate::webauthn::Gesture;

/// A sponsorship within the ceilings that the relay approved, and the user too unless the relay may
/// do without.
pub(crate) struct CheckedSponsorship<'a> {
    command: &'a Sponsor,
    user: Option<UserApproval<'a>>,
}

/// An operation that the relay and a passkey of that account approved.
pub(crate) struct CheckedOperation<'a> {
    user: UserApproval<'a>,
    hash: UserOpHash,
}

/// A passkey of the account approved the operation.
#[derive(Clone, Copy)]
struct UserApproval<'a> {
    account: &'a Account,
    gesture: Gesture,
}

impl<'a> CheckedOperation<'a> {
    /// The account it was checked for.
    pub(crate) fn account(&self) -> &'a Account {
        self.user.account
    }

    /// What the EntryPoint gives as its hash.
    pub(crate) fn hash(&self) -> UserOpHash {
        self.hash
    }

    /// The gesture that approved it.
    pub(crate) fn gesture(&self) -> Gesture {
        self.user.gesture
    }
}
