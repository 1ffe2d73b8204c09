//! Stub data: what the final answer will weigh, with a signature that never validates.

use proto::json::GasFields;
use proto::{EntryPointVersion, Paymaster, Signature, Status};

use super::preview::Preview;
use super::request::DraftRequest;
use crate::error::RelayError;
use crate::kms::KmsError;
use crate::relay::Relay;

/// As long as a real one and with no more zero bytes, so that calldata is estimated right; the contract recovers no
/// signer from it, since r and s are beyond the order of the curve.
const INERT: Signature = Signature { r: [0xff; 32], s: [0xff; 32], v: 28 };

/// Paymaster fields for an estimate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stub {
    /// The fields.
    pub paymaster: Paymaster,
    /// Whose layout they have.
    pub version: EntryPointVersion,
}

impl Relay {
    /// Stub data for an operation that would be sponsored as far as one can tell now. Charges nothing.
    ///
    /// # Errors
    /// Whatever the final request would be refused with, except for what is not there yet: gas, fees and approval.
    pub async fn stub(&self, draft: &DraftRequest) -> Result<Stub, RelayError> {
        // An account in the TEE will be approved for with its passkey; of another nobody has one.
        let is_held = self.wallets.holds(&draft.account_id).await?;
        if !is_held && draft.names_an_account() && !draft.policy.allows_without_passkey() {
            return Err(KmsError::from_status(Status::AccountUnknown).into());
        }
        let principal = draft.principal(is_held);
        let preview = Preview { draft, principal, gas: GasFields::Optional };
        let terms = self.preview(preview).await?;
        let version = draft.deployment.entry_point.version;
        Ok(Stub { paymaster: terms.signed(version, &INERT), version })
    }
}
