//! Types for requests that passed every check. Their fields are private to this folder, so nothing
//! else can construct one, and the keys accept nothing else.

mod sign;
mod sponsor;

use proto::UserOpHash;
use proto::command::Sponsor;

use crate::accounts::Account;
use crate::webauthn::Gesture;

/// A sponsorship within the ceilings that the relay approved, and the user too unless the relay may
/// sponsor without a passkey.
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
