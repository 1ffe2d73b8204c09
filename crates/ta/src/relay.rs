//! The relay's approval: whose key it is and what that key may do.

use proto::command::RelayApproval;
use proto::signers::AuthorisedSigner;
use proto::{Permissions, RequestDigest, Status};

use crate::recover::personal_signer;

/// What an authorised relay key approved. Only [`approve`] makes one.
pub(crate) struct RelayApproved {
    permissions: Permissions,
}

/// Takes the approval if an authorised key gave it over that digest.
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
