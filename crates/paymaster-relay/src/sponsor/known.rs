//! What a sponsorship that is in the books already is still good for.

use super::attribute::Attributed;
use super::request::DraftRequest;
use crate::error::RelayError;
use crate::paymaster_signers::PaymasterSigners;
use crate::store::Record;

/// Whether a record is the whole answer to a request: the same approval of the same intent.
pub(super) fn answers(record: &Record, request: &Attributed) -> bool {
    let approval = request.request.user_signature_hash;
    record.signed.as_ref().is_some_and(|signed| signed.user_signature_hash == approval)
}

/// Refuses to go on with a sponsorship under another policy than it was approved by.
pub(super) fn check_policy(record: &Record, draft: &DraftRequest) -> Result<(), RelayError> {
    let asked = draft.policy.id();
    if record.policy_id == asked {
        return Ok(());
    }
    let is_mined = record.state.is_mined();
    Err(RelayError::PolicyConflict { stored: Some(record.policy_id.clone()), is_mined, asked: asked.to_owned() })
}

/// Refuses to sign once more for a paymaster that the settings no longer name.
pub(super) fn check_paymaster(record: &Record, draft: &DraftRequest) -> Result<(), RelayError> {
    let stored = record.terms.paymaster;
    if stored == draft.deployment.paymaster { Ok(()) } else { Err(RelayError::PaymasterReplaced { stored }) }
}

/// Whether a window is too short, `now` (Unix seconds), for another approval of what was reserved.
pub(super) fn needs_renewal(record: &Record, draft: &DraftRequest, now: u64) -> bool {
    record.terms.valid_until < draft.validity.needed(now)
}

/// Whether a sponsorship whose window is long enough is signed once more before it is an answer:
/// what was signed is not there, or by a key that is outdated.
///
/// # Errors
/// [`RelayError::PaymasterSignerNotAdmitted`]: signed once more, it would be no better.
pub(super) async fn needs_signing(
    record: &Record,
    draft: &DraftRequest,
    signers: &PaymasterSigners,
) -> Result<bool, RelayError> {
    match &record.signed {
        // Of a paymaster that was replaced nothing is signed again: what there is stands until its
        // window is over.
        Some(_) if record.terms.paymaster != draft.deployment.paymaster => Ok(false),
        Some(signed) => signers.is_outdated(&draft.chain, &draft.deployment, signed.paymaster_signer).await,
        None => Ok(true),
    }
}
