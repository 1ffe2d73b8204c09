//! What a user has to approve: the WebAuthn challenge of an operation.

use proto::command::CredentialId;
use proto::json::GasFields;
use proto::{IntentHash, UserOpHash};

use super::preview::Preview;
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
    /// The intent of an operation that would be sponsored, once its user has approved it. Charges
    /// nothing.
    ///
    /// # Errors
    /// Whatever the approved request would be refused with, except for what is wrong with the
    /// approval or its idempotency key.
    pub async fn intent(&self, draft: &DraftRequest) -> Result<Intent, RelayError> {
        let wallet = self.wallets.ask(&draft.account_id).await?;
        let principal = draft.principal(true);
        self.preview(Preview { draft, principal, gas: GasFields::Required }).await?;
        Ok(Intent {
            intent_hash: draft.intent(),
            user_op_hash: draft.bare_hash(),
            credentials: wallet.passkeys.iter().map(|passkey| passkey.credential_id.clone()).collect(),
        })
    }
}
