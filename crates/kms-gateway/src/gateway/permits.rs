//! Who may create accounts, and how many. Creating one costs the TEE more than a sponsorship, and
//! uses its storage permanently.

use proto::Permissions;
use proto::digest::personal_message_hash;
use proto::json::invitation::{Invitation, MAX_SECONDS, SignedInvitation};
use proto::signers::AuthorisedSigner;

use super::caller::Principal;
use super::decision::{Authority, Case};
use super::{GatewayError, Inner};
use crate::recover::recover;
use crate::settings::AccountCreation;
use crate::store::{Permit, PermitRequest};

impl Inner {
    /// Permission to create the account of this credential, counted once. Its basis is recorded in
    /// the case.
    pub(super) async fn permit(&self, credential_id: &[u8], case: &mut Case, now: u64) -> Result<(), GatewayError> {
        let (authoriser, invitation) = match case.caller.principal {
            Principal::ApiKey(hash) => {
                let label = self.api_keys.label(&hash).ok_or(GatewayError::ApiKeyUnknown)?;
                (format!("key:{label}"), None)
            }
            Principal::Invited(signed) => {
                let relay = self.inviter(&signed, now).await?;
                case.signer = Some(relay.address);
                // By its record, which a rotation keeps: a new key gets no new quota.
                (format!("relay:{}", relay.record), Some(signed.invitation))
            }
            _ if self.settings.account_creation == AccountCreation::Open => ("open".to_owned(), None),
            _ => return Err(GatewayError::CreationUnauthorised),
        };
        let per_hour = self.settings.accounts_per_hour;
        let request = PermitRequest {
            credential_id: credential_id.to_vec(),
            authoriser,
            invitation: invitation.map(|invitation| (invitation.digest(), invitation.max_uses)),
            per_hour,
            now,
        };
        match self.store.permit(request).await? {
            Permit::Given => {
                case.authority = Authority::Counted;
                Ok(())
            }
            // One permission gets one row: its holder can repeat the request any number of times.
            Permit::GivenBefore => Ok(()),
            Permit::UsedUp => {
                let max_uses = invitation.map_or(0, |invitation| invitation.max_uses);
                Err(GatewayError::InvitationUsedUp { max_uses })
            }
            Permit::Rationed { retry_after_seconds } => {
                Err(GatewayError::CreationRationed { per_hour, retry_after_seconds })
            }
        }
    }

    /// Whether the credentials presented when a registration begins would allow creating an
    /// account.
    pub(super) async fn check_begin(&self, principal: Principal, now: u64) -> Result<(), GatewayError> {
        match principal {
            Principal::Invited(signed) => self.check_invitation(&signed, now).await,
            Principal::ApiKey(hash) => self.api_keys.label(&hash).map(drop).ok_or(GatewayError::ApiKeyUnknown),
            _ if self.settings.account_creation == AccountCreation::Open => Ok(()),
            _ => Err(GatewayError::CreationUnauthorised),
        }
    }

    /// Whether an account could be created with this invitation now.
    async fn check_invitation(&self, signed: &SignedInvitation, now: u64) -> Result<(), GatewayError> {
        self.inviter(signed, now).await?;
        let Invitation { max_uses, .. } = signed.invitation;
        if self.store.uses_of_invitation(&signed.invitation.digest()).await? >= max_uses {
            return Err(GatewayError::InvitationUsedUp { max_uses });
        }
        Ok(())
    }

    /// The relay key that signed an invitation to this TEE, if it may have operations sponsored
    /// here.
    async fn inviter(&self, signed: &SignedInvitation, now: u64) -> Result<AuthorisedSigner, GatewayError> {
        let invalid = |problem| GatewayError::InvitationInvalid { problem };
        let Invitation { tee_id, expires_at, max_uses, .. } = signed.invitation;
        if expires_at < now {
            return Err(GatewayError::InvitationExpired { expires_at, now });
        }
        if expires_at - now > MAX_SECONDS + super::checks::ALLOWED_SKEW {
            return Err(invalid("it expires more than 7 days from now"));
        }
        if max_uses == 0 {
            return Err(invalid("it allows no accounts"));
        }
        // The trusted application never sees the invitation, so a revocation through another
        // gateway has to be noticed here.
        let state = self.known.recent_security_state(&self.tee).await?;
        if state.tee_id != tee_id {
            return Err(invalid("it is for another TEE"));
        }
        let relay = recover(&personal_message_hash(&signed.invitation.digest().0), &signed.signature)
            .ok_or_else(|| invalid("its signature does not parse"))?;
        let signers = state.provisioned.iter().flat_map(|provisioned| provisioned.signers.iter());
        let mut signers = signers.filter(|signer| signer.permissions.contains(Permissions::SPONSOR));
        let inviter = signers.find(|signer| signer.address == relay).copied();
        inviter.ok_or_else(|| invalid("it is not signed by a relay key that is authorised to sponsor: it ends when that key is rotated or revoked"))
    }
}
