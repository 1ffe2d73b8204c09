//! Which requests a recorded sponsorship can still answer.

use super::attribute::Attributed;
use super::request::DraftRequest;
use crate::error::RelayError;
use crate::paymaster_signers::PaymasterSigners;
use crate::store::Record;

/// Whether a record is the complete answer to a request: the same approval of the same intent.
pub(super) fn answers(record: &Record, request: &Attributed) -> bool {
    let approval = request.request.user_signature_hash;
    record.signed.as_ref().is_some_and(|signed| signed.user_signature_hash == approval)
}

/// Refuses to continue a sponsorship under a policy other than the approving one.
pub(super) fn check_policy(record: &Record, draft: &DraftRequest) -> Result<(), RelayError> {
    let asked = draft.policy.id();
    if record.policy_id == asked {
        return Ok(());
    }
    let is_mined = record.state.is_mined();
    Err(RelayError::PolicyConflict { stored: Some(record.policy_id.clone()), is_mined, asked: asked.to_owned() })
}

/// Refuses another signing for a paymaster that is no longer configured.
pub(super) fn check_paymaster(record: &Record, draft: &DraftRequest) -> Result<(), RelayError> {
    let stored = record.terms.paymaster;
    if stored == draft.deployment.paymaster { Ok(()) } else { Err(RelayError::PaymasterReplaced { stored }) }
}

/// Whether a window is too short at `now` (Unix seconds) for another approval of the reservation.
pub(super) fn needs_renewal(record: &Record, draft: &DraftRequest, now: u64) -> bool {
    record.terms.valid_until < draft.validity.needed(now)
}

/// Whether a sponsorship with a long enough window has to be signed again before it is an answer:
/// it has no signature, or one by an outdated key.
///
/// # Errors
/// [`RelayError::PaymasterSignerNotAdmitted`]: signing again would not help.
pub(super) async fn needs_signing(
    record: &Record,
    draft: &DraftRequest,
    signers: &PaymasterSigners,
) -> Result<bool, RelayError> {
    match &record.signed {
        // Nothing more is signed for a replaced paymaster: an existing signature is kept until its
        // window is over.
        Some(_) if record.terms.paymaster != draft.deployment.paymaster => Ok(false),
        Some(signed) => signers.is_outdated(&draft.chain, &draft.deployment, signed.paymaster_signer).await,
        None => Ok(true),
    }
}
