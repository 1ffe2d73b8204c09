//! For development: provisions a new TEE and admits a relay key, with an admin key at hand. In production the admin's key
//! is elsewhere, and its signed commands come over `/admin`.

use k256::ecdsa::SigningKey;
use proto::command::{AuthorizeSigner, Ceilings, Provision, RelyingParty, RevokeSigner, SetCeilings};
use proto::typed_data::TypedData;
use proto::{Address, Hash, Permissions, Signature, Status};
use secrecy::{ExposeSecret, SecretSlice};
use thiserror::Error;

use crate::gateway::{Caller, Gateway, GatewayError};
use crate::recover::{address_of, recover};

/// Stands in a command until it is signed.
pub const UNSIGNED: Signature = Signature { r: [0; 32], s: [0; 32], v: 0 };

/// The admin's key, wiped when dropped. No `Debug`, no `Clone`.
pub struct AdminKey {
    key: SigningKey,
    address: Address,
}

/// The TEE could not be brought into the state asked for.
#[derive(Debug, Error)]
pub enum BootstrapError {
    /// Not 32 bytes, or not a scalar of the curve.
    #[error("the admin key is not a secp256k1 key")]
    InvalidKey,
    /// The TEE has another admin.
    #[error("the TEE was provisioned by {actual}, not by this admin key")]
    OtherAdmin {
        /// Whose signature it wants.
        actual: Address,
    },
    /// The gateway or the TEE refused.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
}

impl AdminKey {
    /// A key from its 32 bytes, big-endian.
    ///
    /// # Errors
    /// [`BootstrapError::InvalidKey`].
    pub fn new(secret: &SecretSlice<u8>) -> Result<Self, BootstrapError> {
        let key = SigningKey::from_slice(secret.expose_secret()).map_err(|_| BootstrapError::InvalidKey)?;
        let address = address_of(key.verifying_key()).ok_or(BootstrapError::InvalidKey)?;
        Ok(Self { key, address })
    }

    /// Its address.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Signs a command as EIP-712 typed data. The command's own signature is no part of it: put the result there.
    #[must_use]
    pub fn sign(&self, command: &impl TypedData) -> Signature {
        let Hash(digest) = command.digest();
        let (signature, recovery_id) = self.key.sign_prehash_recoverable(&digest);
        let (r, s) = signature.split_bytes();
        Signature { r: r.into(), s: s.into(), v: 27 + recovery_id.to_byte() }
    }
}

/// Whose signature of the command, as EIP-712 typed data, it is. `None`: nobody's.
#[must_use]
pub fn signer_of(command: &impl TypedData, signature: &Signature) -> Option<Address> {
    recover(&command.digest(), signature)
}

/// What a development TEE shall be.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Where passkeys come from.
    pub relying_parties: Vec<RelyingParty>,
    /// The bounds.
    pub ceilings: Ceilings,
    /// The relay key.
    pub relay_signer: Address,
    /// What the relay key may do.
    pub permissions: Permissions,
}

/// Provisions the TEE if it is new, sets the ceilings if they differ, and admits the relay key if it isn't, or has other
/// permissions. Does nothing where nothing is to be done.
///
/// # Errors
/// When the TEE has another admin, or refuses a command.
pub async fn bootstrap(gateway: &Gateway, admin: &AdminKey, wanted: Wanted) -> Result<(), BootstrapError> {
    let caller = Caller::new("bootstrap");
    if gateway.security_state().await?.provisioned.is_none() {
        provision(gateway, admin, &wanted, &caller).await?;
    }
    let state = gateway.security_state().await?;
    let tee_id = state.tee_id;
    let provisioned = state.provisioned.ok_or(GatewayError::Refused(Status::NotProvisioned))?;
    if provisioned.admin != admin.address {
        return Err(BootstrapError::OtherAdmin { actual: provisioned.admin });
    }
    let mut counter = state.counter;
    if provisioned.ceilings != wanted.ceilings {
        counter += 1;
        let mut command = SetCeilings { tee_id, ceilings: wanted.ceilings, counter, signature: UNSIGNED };
        command.signature = admin.sign(&command);
        gateway.set_ceilings(command, &caller).await?;
    }
    let known = provisioned.signers.iter().find(|signer| signer.address == wanted.relay_signer);
    // Permissions can't be changed in place.
    if let Some(known) = known.filter(|known| known.permissions != wanted.permissions) {
        counter += 1;
        let (record, authorised_as) = (known.record, known.authorised_as);
        let mut command = RevokeSigner { tee_id, record, authorised_as, counter, signature: UNSIGNED };
        command.signature = admin.sign(&command);
        gateway.revoke_signer(command, &caller).await?;
    }
    if known.is_none_or(|known| known.permissions != wanted.permissions) {
        counter += 1;
        let Wanted { relay_signer: signer, permissions, .. } = wanted;
        let mut command = AuthorizeSigner { tee_id, signer, permissions, counter, signature: UNSIGNED };
        command.signature = admin.sign(&command);
        gateway.authorize_signer(command, &caller).await?;
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
        admin: admin.address,
        relying_parties,
        ceilings: wanted.ceilings.clone(),
        counter: state.counter + 1,
        signature: UNSIGNED,
    };
    command.signature = admin.sign(&command);
    Ok(gateway.provision(command, caller).await?)
}
