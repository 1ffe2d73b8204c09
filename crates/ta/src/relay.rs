//! The relay's approval: which key gave it, and what that key may do.

use proto::command::RelayApproval;
use proto::signers::AuthorisedSigner;
use proto::{Permissions, RequestDigest, Status};

use crate::recover::personal_signer;

/// A request approved by an authorised relay key. Only [`approve`] constructs one.
pub(crate) struct RelayApproved {
    permissions: Permissions,
}

/// Accepts the approval if an authorised key signed that digest.
pub(crate) fn approve(
    digest: &RequestDigest,
    approval: &RelayApproval,
    signers: &[AuthorisedSigner],
) -> Result<RelayApproved, Status> {
    let address = personal_signer(&digest.0, &approval.signature).ok_or(Status::RelaySignatureInvalid)?;
    let signer = signers.iter().find(|signer| signer.address == address);
    let permissions = signer.ok_or(Status::SignerNotAuthorised)?.permissions;
    Ok(RelayApproved { permissions })
}

impl RelayApproved {
    /// `PermissionMissing` unless the key has the permission.
    pub(crate) fn require(&self, permission: Permissions) -> Result<(), Status> {
        self.may(permission).then_some(()).ok_or(Status::PermissionMissing)
    }

    /// Whether the key has the permission.
    pub(crate) fn may(&self, permission: Permissions) -> bool {
        self.permissions.contains(permission)
    }
}
