//! Who may sign, and within which ceilings.

use proto::command::Phase;
use proto::signers::AuthorisedSigner;
use proto::{Address, Permissions, TeeId};
use serde::{Deserialize, Serialize};

use super::setup::Ceilings;

/// Asks for [`Signers`].
#[derive(Clone, Copy, Debug)]
pub struct GetSigners;

/// What provisioning and admin commands made. What is `None` is so before provisioning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signers {
    /// Which TEE it is.
    pub tee_id: TeeId,
    /// Admin commands that took effect; the next is signed for one more.
    pub counter: u64,
    /// Which commands are accepted.
    pub phase: Phase,
    /// Whose signature admin commands need.
    pub admin: Option<Address>,
    /// Address of the key that signs for the paymasters.
    pub paymaster_signer: Option<Address>,
    /// Address of the key that is to sign after it, if one was prepared.
    pub standby_paymaster_signer: Option<Address>,
    /// The relay keys.
    pub signers: Vec<Signer>,
    /// Accounts made.
    pub accounts: Option<u32>,
    /// Accounts that may be made.
    pub max_accounts: Option<u32>,
    /// The relying party whose passkeys it registers; `None` from a gateway that does not tell it.
    pub rp_id: Option<String>,
    /// The bounds in force.
    pub ceilings: Option<Ceilings>,
}

/// The record of a relay key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signer {
    /// The record's number.
    pub record: u64,
    /// The address that the record was made for.
    pub authorised_as: Address,
    /// The address of the key that is in it now.
    pub address: Address,
    /// Names of what it may do, also of a later version.
    pub permissions: Vec<String>,
    /// How often the key was rotated.
    pub rotations: u64,
}

impl From<&AuthorisedSigner> for Signer {
    fn from(signer: &AuthorisedSigner) -> Self {
        Self {
            record: signer.record,
            authorised_as: signer.authorised_as,
            address: signer.address,
            permissions: signer.permissions.names().map(str::to_owned).collect(),
            rotations: signer.rotations,
        }
    }
}

/// Permissions of a later version are left out.
impl From<&Signer> for AuthorisedSigner {
    fn from(signer: &Signer) -> Self {
        let permissions = signer.permissions.iter().filter_map(|name| Permissions::named(name));
        Self {
            record: signer.record,
            authorised_as: signer.authorised_as,
            address: signer.address,
            permissions: permissions.fold(Permissions::default(), |all, one| all | one),
            rotations: signer.rotations,
        }
    }
}
