//! For development: provisions a new TEE and authorises a relay key, using a local admin key. In
//! production the admin's key is elsewhere, and its signed commands arrive over `/admin`.

use proto::command::{AuthorizeSigner, Ceilings, Provision, RelyingParty, RevokeSigner, SetCeilings};
use proto::{Address, Permissions, Signature, Status};
use thiserror::Error;

use crate::admin_key::AdminKey;
use crate::gateway::{Caller, Gateway, GatewayError};

/// The TEE could not be brought into the requested state.
#[derive(Debug, Error)]
pub enum BootstrapError {
    /// The TEE has another admin.
    #[error("the TEE was provisioned by {actual}, not by this admin key")]
    OtherAdmin {
        /// The TEE's admin.
        actual: Address,
    },
    /// The gateway's or the TEE's refusal.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
}

/// The wanted state of a development TEE.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Where passkeys may come from.
    pub relying_parties: Vec<RelyingParty>,
    /// The ceilings.
    pub ceilings: Ceilings,
    /// The relay key.
    pub relay_signer: Address,
    /// The relay key's permissions.
    pub permissions: Permissions,
}

/// Provisions the TEE if it is new, sets the ceilings if they differ, and authorises the relay key
/// unless it already is, with these permissions. Does nothing if nothing needs to change.
///
/// # Errors
/// When the TEE has another admin, or refuses a command.
pub async fn bootstrap(gateway: &Gateway, admin: &AdminKey, wanted: Wanted) -> Result<(), BootstrapError> {
    let caller = Caller::internal("bootstrap");
    if gateway.security_state().await?.provisioned.is_none() {
        provision(gateway, admin, &wanted, &caller).await?;
    }
    let state = gateway.security_state().await?;
    let tee_id = state.tee_id;
    let provisioned = state.provisioned.ok_or(GatewayError::Refused(Status::NotProvisioned))?;
    if provisioned.admin != admin.address() {
        return Err(BootstrapError::OtherAdmin { actual: provisioned.admin });
    }
    let mut counter = state.counter;
    if provisioned.ceilings != wanted.ceilings {
        counter += 1;
        let mut command = SetCeilings { tee_id, ceilings: wanted.ceilings, counter, signature: Signature::UNSIGNED };
        command.signature = admin.sign(&command);
        gateway.administer(command, &caller).await?;
    }
    let known = provisioned.signers.iter().find(|signer| signer.address == wanted.relay_signer);
    // Permissions cannot be changed in place.
    if let Some(known) = known.filter(|known| known.permissions != wanted.permissions) {
        counter += 1;
        let (record, authorised_as) = (known.record, known.authorised_as);
        let mut command = RevokeSigner { tee_id, record, authorised_as, counter, signature: Signature::UNSIGNED };
        command.signature = admin.sign(&command);
        gateway.administer(command, &caller).await?;
    }
    if known.is_none_or(|known| known.permissions != wanted.permissions) {
        counter += 1;
        let Wanted { relay_signer: signer, permissions, .. } = wanted;
        let mut command = AuthorizeSigner { tee_id, signer, permissions, counter, signature: Signature::UNSIGNED };
        command.signature = admin.sign(&command);
        gateway.administer(command, &caller).await?;
    }
    Ok(())
}

async fn provision(
    gateway: &Gateway,
    admin: &AdminKey,
    wanted: &Wanted,
    caller: &Caller,
) -> Result<(), BootstrapError> {
    let relying_parties = proto::bytes::BoundedList::new(wanted.relying_parties.clone())
        .map_err(|_| GatewayError::Refused(Status::CeilingsInvalid))?;
    let state = gateway.security_state().await?;
    let mut command = Provision {
        tee_id: state.tee_id,
        admin: admin.address(),
        relying_parties,
        ceilings: wanted.ceilings.clone(),
        counter: state.counter + 1,
        signature: Signature::UNSIGNED,
    };
    command.signature = admin.sign(&command);
    Ok(gateway.administer(command, caller).await?)
}
