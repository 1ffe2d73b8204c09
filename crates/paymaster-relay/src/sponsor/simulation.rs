//! A bundler's simulation of an operation, for policies with `simulate`.
//!
//! What is simulated is made from the fields that will be signed, with the terms that will be
//! signed: only the signatures are missing, which no simulation checks.

use proto::json::{GasFields, hex_bytes, user_operation_to_json};
use proto::{Signature, Terms, UserOperation};
use serde_json::{Map, Value};

use super::request::DraftRequest;
use super::stub::INERT;
use crate::bundler::BundlerError;
use crate::error::RelayError;

/// In place of an account's signature that the client did not send: one by some key, so that
/// accounts that recover the signer do not revert.
const SOMEBODYS: Signature = {
    let (mut r, mut s) = ([0; 32], [0xaa; 32]);
    // As in the stubs of viem's accounts: a point of the curve, and the lower half of its order.
    let mut at = 0;
    while at < 15 {
        r[at] = 0xff;
        at += 1;
    }
    (r[15], s[0]) = (0xf0, 0x7a);
    Signature { r, s, v: 28 }
};

/// Has the chain's bundlers simulate the operation on these terms, if its policy says so.
///
/// # Errors
/// [`RelayError::SimulationFailed`]; [`RelayError::BundlerUnavailable`] if none did.
pub(super) async fn simulate(draft: &DraftRequest, terms: &Terms) -> Result<(), RelayError> {
    if !draft.policy.simulates() {
        return Ok(());
    }
    let unavailable = |detail| RelayError::BundlerUnavailable { detail, in_doubt: false };
    // The settings are refused then.
    let bundlers = draft.chain.bundlers.as_ref().ok_or_else(|| unavailable("none is configured".to_owned()))?;
    let entry_point = draft.deployment.entry_point.address;
    bundlers.simulate(document(draft, terms), entry_point).await.map_err(|error| match error {
        BundlerError::Refused(refusal) => {
            RelayError::SimulationFailed { policy_id: draft.policy.id().to_owned(), refusal }
        }
        BundlerError::Unavailable { detail, .. } => unavailable(detail),
    })
}

/// The same before the user is asked. A draft whose gas is still to be estimated is not simulated:
/// that estimate will be the simulation.
///
/// # Errors
/// Those of [`simulate`].
pub(super) async fn preview(draft: &DraftRequest, terms: &Terms, gas: GasFields) -> Result<(), RelayError> {
    if is_incomplete(draft, gas) { Ok(()) } else { simulate(draft, terms).await }
}

/// Whether gas and fees are still to be estimated, so that the operation has no cost yet.
pub(super) fn is_incomplete(draft: &DraftRequest, gas: GasFields) -> bool {
    matches!(gas, GasFields::Optional) && (draft.lacks_gas() || draft.op.max_fee_per_gas == 0)
}

/// The operation as it will be, but for the signatures.
pub(super) fn document(draft: &DraftRequest, terms: &Terms) -> Map<String, Value> {
    let version = draft.deployment.entry_point.version;
    let op = UserOperation { paymaster: Some(terms.signed(version, &INERT)), ..draft.op.clone() };
    let mut document = user_operation_to_json(&op, version);
    let signature = match &draft.placeholders.signature[..] {
        [] => SOMEBODYS.to_string(),
        sent => hex_bytes(sent),
    };
    document.insert("signature".to_owned(), signature.into());
    if let Some(authorisation) = &draft.placeholders.authorisation {
        document.insert("eip7702Auth".to_owned(), authorisation.clone());
    }
    document
}

#[cfg(test)]
mod tests {
    use proto::Hash;

    use super::*;
    use crate::secp256k1::recover;

    #[test]
    fn the_stand_in_for_an_accounts_signature_has_a_signer_whatever_is_signed() {
        for byte in 0..=255 {
            assert!(recover(&Hash([byte; 32]), &SOMEBODYS).is_some(), "{byte}");
        }
    }
}
