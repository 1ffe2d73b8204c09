//! Checks that the TEE accepts the passkeys that this gateway registers.

use proto::command::{Provisioned, RelyingParty};
use thiserror::Error;

use super::Gateway;
use crate::origin::Origin;

/// The TEE was provisioned without the configured values, and its list never changes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotSealed {
    /// The relying party is not one of the TEE's.
    #[error(
        "the TEE was provisioned without the relying party {rp_id:?} (kms.rp_id), and accepts none of its passkeys; it has: {}",
        sealed.join(", ")
    )]
    RelyingParty {
        /// The configured one.
        rp_id: String,
        /// The TEE's relying parties.
        sealed: Vec<String>,
    },
    /// The TEE lacks some origins.
    #[error(
        "the TEE was provisioned without {} of kms.origins, and accepts no passkeys there; it has: {}",
        missing.join(", "),
        sealed.join(", ")
    )]
    Origins {
        /// The configured origins that the TEE lacks.
        missing: Vec<String>,
        /// The TEE's origins of the relying party.
        sealed: Vec<String>,
    },
}

impl Gateway {
    /// Compares the configured relying party and origins with those that the TEE was provisioned
    /// with.
    ///
    /// # Errors
    /// [`NotSealed`] if the TEE would refuse every passkey of the relying party, or of an origin.
    pub fn check_relying_party(&self, provisioned: &Provisioned) -> Result<(), NotSealed> {
        let settings = self.settings();
        let of_settings = |party: &&RelyingParty| *party.id == settings.rp_id;
        let Some(party) = provisioned.relying_parties.iter().find(of_settings) else {
            let sealed = provisioned.relying_parties.iter().map(|party| format!("{:?}", party.id.as_str())).collect();
            return Err(NotSealed::RelyingParty { rp_id: settings.rp_id.clone(), sealed });
        };
        let sealed: Vec<String> = party.origins.iter().map(|origin| (**origin).clone()).collect();
        let wanted = settings.origins.iter().map(Origin::serialised);
        let missing: Vec<_> = wanted.filter(|origin| !sealed.contains(origin)).collect();
        if missing.is_empty() { Ok(()) } else { Err(NotSealed::Origins { missing, sealed }) }
    }
}
