//! Whose signatures a command of the admin needs. The trusted application checks the same; here it is for those who ask
//! without any.

use proto::command::{AdminRequest, AuthorizeSigner, Provision, Provisioned, RevokeSigner, RotateSigner, SetCeilings};
use proto::{Address, Permissions, Signature, Status};

use crate::bootstrap::signer_of;

/// A command that carries its own proof.
pub(super) trait AdminProof: AdminRequest<Reply = ()> {
    /// Holds its signatures against what the TEE was told before; `None`: it is not provisioned.
    ///
    /// # Errors
    /// The status by which the trusted application refuses it.
    fn check(&self, provisioned: Option<&Provisioned>) -> Result<(), Status>;
}

impl AdminProof for Provision {
    fn check(&self, provisioned: Option<&Provisioned>) -> Result<(), Status> {
        match provisioned {
            Some(_) => Err(Status::AlreadyProvisioned),
            None => signed_by_admin(self, &self.signature, &self.admin),
        }
    }
}

impl AdminProof for AuthorizeSigner {
    fn check(&self, provisioned: Option<&Provisioned>) -> Result<(), Status> {
        signed_by_admin(self, &self.signature, &present(provisioned)?.admin)
    }
}

impl AdminProof for RevokeSigner {
    fn check(&self, provisioned: Option<&Provisioned>) -> Result<(), Status> {
        signed_by_admin(self, &self.signature, &present(provisioned)?.admin)
    }
}

impl AdminProof for SetCeilings {
    fn check(&self, provisioned: Option<&Provisioned>) -> Result<(), Status> {
        signed_by_admin(self, &self.signature, &present(provisioned)?.admin)
    }
}

impl AdminProof for RotateSigner {
    fn check(&self, provisioned: Option<&Provisioned>) -> Result<(), Status> {
        let provisioned = present(provisioned)?;
        let both_signed = is_signed_by(self, &self.current_signature, &self.current)
            && is_signed_by(self, &self.next_signature, &self.next);
        if !both_signed {
            return Err(Status::RotationProofInvalid);
        }
        let leaving = provisioned.signers.iter().find(|signer| signer.address == self.current);
        let leaving = leaving.ok_or(Status::SignerNotAuthorised)?;
        match &self.admin_signature {
            Some(signature) => signed_by_admin(self, signature, &provisioned.admin),
            None if leaving.permissions.contains(Permissions::ROTATE) => Ok(()),
            None => Err(Status::AdminSignatureInvalid),
        }
    }
}

fn present(provisioned: Option<&Provisioned>) -> Result<&Provisioned, Status> {
    provisioned.ok_or(Status::NotProvisioned)
}

fn signed_by_admin(command: &impl AdminRequest, signature: &Signature, admin: &Address) -> Result<(), Status> {
    if is_signed_by(command, signature, admin) { Ok(()) } else { Err(Status::AdminSignatureInvalid) }
}

/// The one place that knows what an admin signs: [`signer_of`] recovers over the command's digest.
fn is_signed_by(command: &impl AdminRequest, signature: &Signature, expected: &Address) -> bool {
    signer_of(command, signature).as_ref() == Some(expected)
}
