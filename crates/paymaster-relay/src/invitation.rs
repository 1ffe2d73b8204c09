//! Invitations: permission to create accounts at the KMS, signed by the relay's key.

use std::sync::Arc;

use proto::json::invitation::{Invitation, SignedInvitation};
use relay_api::InvitationOptions;

use crate::clients::Caller;
use crate::error::RelayError;
use crate::kms::Kms;
use crate::parts::Parts;
use crate::ports::{Clock, Entropy};
use crate::relay_key::RelayKey;

/// Minimum validity of an invitation in seconds, even if its signing key is due for rotation.
const LEAST: u64 = 60;

/// Signs invitations.
pub(crate) struct Inviter {
    kms: Arc<dyn Kms>,
    relay_key: Arc<RelayKey>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Inviter {
    pub(crate) fn new(parts: &Parts) -> Self {
        let Parts { kms, relay_key, clock, entropy, .. } = parts.clone();
        Self { kms, relay_key, clock, entropy }
    }

    /// Signs an invitation for the holder of a server's key. A publishable key is public, and would
    /// invite everyone. The invitation becomes invalid with the key that signs it, so it is not
    /// valid beyond that key's planned rotation.
    ///
    /// # Errors
    /// [`RelayError::InvitationNotAllowed`]; [`RelayError::KmsUnavailable`];
    /// [`RelayError::EntropyUnavailable`].
    pub(crate) async fn invite(
        &self,
        request: InvitationOptions,
        caller: &Caller,
    ) -> Result<SignedInvitation, RelayError> {
        if !caller.is_server() {
            return Err(RelayError::InvitationNotAllowed);
        }
        let tee_id = self.kms.signers().await?.tee_id;
        let mut nonce = [0; 32];
        self.entropy.fill(&mut nonce)?;
        let lease = self.relay_key.lease().await;
        let most = lease.seconds_to_rotation().map_or(u64::MAX, |left| left.max(LEAST));
        let expires_at = self.clock.now().saturating_add(request.valid_for_seconds.min(most));
        let invitation = Invitation { tee_id, expires_at, max_uses: request.max_uses, nonce };
        let signature = lease.invite(&invitation);
        Ok(SignedInvitation { invitation, signature })
    }
}
