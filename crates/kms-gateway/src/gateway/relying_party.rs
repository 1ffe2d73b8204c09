//! Whether the passkeys that this gateway registers are some that its TEE takes.

use proto::command::{Provisioned, RelyingParty};
use thiserror::Error;

use super::Gateway;
use crate::origin::Origin;

/// The TEE was provisioned without what the settings name, and keeps its list permanently.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotSealed {
    /// The relying party is not one of the TEE's.
    #[error(
        "the TEE was provisioned without the relying party {rp_id:?} (kms.rp_id), and takes none of its passkeys; it has: {}",
        sealed.join(", ")
    )]
    RelyingParty {
        /// The one of the settings.
        rp_id: String,
        /// Those of the TEE.
        sealed: Vec<String>,
    },
    /// Some origins are not of the TEE's.
    #[error(
        "the TEE was provisioned without {} of kms.origins, and takes no passkeys there; it has: {}",
        missing.join(", "),
        sealed.join(", ")
    )]
    Origins {
        /// Those of the settings that the TEE lacks.
        missing: Vec<String>,
        /// Those that the TEE has of the relying party.
        sealed: Vec<String>,
    },
}

impl Gateway {
    /// Holds relying party and origins of the settings against those that the TEE was provisioned
    /// with.
    ///
    /// # Errors
    /// [`NotSealed`] where the TEE would refuse every passkey of the relying party, or of an
    /// origin.
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
