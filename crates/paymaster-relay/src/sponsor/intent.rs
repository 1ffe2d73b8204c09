//! The data that a user has to approve: the WebAuthn challenge of an operation.

use proto::command::{CredentialId, WalletInfo};
use proto::{IntentHash, UserOpHash};

use super::request::DraftRequest;

/// The options for `navigator.credentials.get`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The challenge.
    pub intent_hash: IntentHash,
    /// `H0`: the hash of the operation without any paymaster.
    pub user_op_hash: UserOpHash,
    /// The account's passkeys.
    pub credentials: Vec<CredentialId>,
}

impl Intent {
    pub(super) fn of(draft: &DraftRequest, wallet: &WalletInfo) -> Self {
        Self {
            intent_hash: draft.intent(),
            user_op_hash: draft.bare_hash(),
            credentials: wallet.passkeys.iter().map(|passkey| passkey.credential_id.clone()).collect(),
        }
    }
}
