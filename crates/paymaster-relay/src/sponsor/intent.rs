//! What a user has to approve: the WebAuthn challenge of an operation.

use proto::command::CredentialId;
use proto::{IntentHash, UserOpHash};

use super::request::DraftRequest;
use crate::error::RelayError;
use crate::relay::Relay;

/// What a page hands to `navigator.credentials.get`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The challenge.
    pub intent_hash: IntentHash,
    /// `H0`: the hash of the operation without any paymaster.
    pub user_op_hash: UserOpHash,
    /// The account's passkeys.
    pub credentials: Vec<CredentialId>,
}

impl Relay {
    /// The intent of an operation. Charges nothing, and refuses nothing that may still change.
    ///
    /// # Errors
    /// [`RelayError::KmsRefused`] as `account_unknown`; [`RelayError::KmsUnavailable`].
    pub async fn intent(&self, draft: &DraftRequest) -> Result<Intent, RelayError> {
        let wallet = self.wallets.ask(&draft.account_id).await?;
        Ok(Intent {
            intent_hash: draft.intent(),
            user_op_hash: draft.bare_hash(),
            credentials: wallet.passkeys.iter().map(|passkey| passkey.credential_id.clone()).collect(),
        })
    }
}
