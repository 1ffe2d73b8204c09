//! Stub data: what the final answer will weigh, with a signature that never validates.

use proto::json::GasFields;
use proto::{EntryPointVersion, Paymaster, Signature};

use super::approve::judge;
use super::quote::quote;
use super::request::DraftRequest;
use crate::error::RelayError;
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
        let quote = quote(self, draft, GasFields::Optional).await?;
        // The passkey of an account that has one comes with the final request.
        let proven = self.wallets.holds(&draft.account_id).await?;
        judge(self, draft, &quote.terms, proven)?;
        if !proven {
            self.check_permission_without_passkey().await?;
        }
        let version = draft.deployment.entry_point.version;
        Ok(Stub { paymaster: quote.terms.signed(version, &INERT), version })
    }
}
