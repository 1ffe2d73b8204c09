//! Checks the TEE's replies against their requests. A reply that does not match is discarded.

use proto::command::{SignMessage, SignMessageReply, SignReply, SignWithHybridKey, Sponsor, SponsorReply, WalletInfo};
use proto::paymaster::paymaster_digest;
use proto::{Hash, Signature, UserOpHash};

use super::GatewayError;
use crate::recover::recover;

/// Checks a sponsorship: the paymaster's signature over this operation is by the key that the reply
/// names, the hash is that of the final operation, and there is an account signature exactly when a
/// passkey approved, by the account's owner over that hash.
pub(super) fn check_sponsored(
    command: &Sponsor,
    reply: &SponsorReply,
    wallet: Option<&WalletInfo>,
) -> Result<(), GatewayError> {
    let Sponsor { entry_point, op, terms, .. } = command;
    let digest = paymaster_digest(op, entry_point, terms);
    let signed_by_the_paymaster = recover(&Hash(digest.0), &reply.paymaster_signature) == Some(reply.paymaster_signer);
    let signed_by_the_account = match (wallet, &reply.account_signature) {
        (Some(wallet), Some(signature)) => is_signed_by(wallet, &reply.user_op_hash, signature),
        (None, None) => true,
        _ => false,
    };
    let hash = command.final_op(&reply.paymaster_signature).hash(entry_point);
    fits(signed_by_the_paymaster && signed_by_the_account && hash == reply.user_op_hash)
}

/// Checks that the hash is that of the operation as given, and that the owner signed it.
pub(super) fn check_signed(
    command: &SignWithHybridKey,
    reply: &SignReply,
    wallet: &WalletInfo,
) -> Result<(), GatewayError> {
    let hash = command.op.hash(&command.entry_point);
    fits(reply.owner == wallet.owner && hash == reply.user_op_hash && is_signed_by(wallet, &hash, &reply.signature))
}

/// Checks that the digest is that of the message in its form, and that the owner signed it.
pub(super) fn check_message(
    command: &SignMessage,
    reply: &SignMessageReply,
    wallet: &WalletInfo,
) -> Result<(), GatewayError> {
    let digest = command.digest();
    let signer = recover(&digest, &reply.signature);
    fits(reply.digest == digest && reply.owner == wallet.owner && signer == Some(wallet.owner))
}

fn is_signed_by(wallet: &WalletInfo, hash: &UserOpHash, signature: &Signature) -> bool {
    recover(&wallet.signature_scheme.digest(hash), signature) == Some(wallet.owner)
}

fn fits(fits: bool) -> Result<(), GatewayError> {
    if fits { Ok(()) } else { Err(GatewayError::TeeReplyInvalid) }
}
