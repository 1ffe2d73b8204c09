//! The KMS as the relay sees it: a port with one implementation in process and one over HTTP.

mod http;
mod wallets;

use async_trait::async_trait;
use kms_api::ReceivedReason;
use proto::command::{Ceilings, RotateSigner, Sponsor, SponsorReply, WalletInfo};
use proto::digest::personal_message_hash;
use proto::signers::AuthorisedSigner;
use proto::{AccountId, Address, Permissions, TeeId};
use thiserror::Error;

pub use http::HttpKms;
pub(crate) use wallets::Wallets;

use crate::secp256k1;

/// What the relay needs of a KMS gateway.
#[async_trait]
pub trait Kms: Send + Sync {
    /// Has an operation sponsored. Deterministic: the same operation and terms give the same
    /// signatures.
    ///
    /// # Errors
    /// [`KmsError`].
    async fn sponsor(&self, command: &Sponsor, request_id: &str) -> Result<SponsorReply, KmsError>;

    /// The public facts of an account.
    ///
    /// # Errors
    /// [`KmsError`]; an account that does not exist is refused as `account_unknown`.
    async fn wallet(&self, account_id: &AccountId) -> Result<WalletInfo, KmsError>;

    /// Who may have operations sponsored, and by which key.
    ///
    /// # Errors
    /// [`KmsError`].
    async fn signers(&self) -> Result<KmsSigners, KmsError>;

    /// Puts a new relay key in the place of another.
    ///
    /// # Errors
    /// [`KmsError`].
    async fn rotate_signer(&self, command: &RotateSigner) -> Result<(), KmsError>;

    /// Whether requests can be served.
    ///
    /// # Errors
    /// [`KmsError`].
    async fn ready(&self) -> Result<(), KmsError>;

    /// Whether all gateways are over one TEE, as far as those that answer tell: accounts, relay
    /// keys and invitations are a TEE's own.
    ///
    /// # Errors
    /// [`SeveralTees`].
    async fn is_one_tee(&self) -> Result<(), SeveralTees> {
        Ok(())
    }

    /// Whether it remembers by itself which accounts do not exist, and forgets it of one that is
    /// made: then the relay remembers nothing of that, and an account is known at once.
    fn remembers_unknown_accounts(&self) -> bool {
        false
    }

    /// Where its admin commands go, as `super-relay admin --kms` takes it.
    fn url(&self) -> Option<String> {
        None
    }

    /// Seconds that its clock was ahead of ours when it last answered, below zero when behind.
    /// `None` when nobody knows, or it is the same clock.
    fn clock_ahead(&self) -> Option<i64> {
        None
    }
}

/// What the trusted application says about signers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsSigners {
    /// Which TEE it is.
    pub tee_id: TeeId,
    /// Address of the key that signs for the paymasters.
    pub paymaster_signer: Address,
    /// Address of the key that is to sign after it, if one was prepared.
    pub standby_paymaster_signer: Option<Address>,
    /// The relay keys.
    pub signers: Vec<AuthorisedSigner>,
    /// The relying party whose passkeys it registers; `None` from a gateway that does not tell it.
    pub rp_id: Option<String>,
    /// The bounds of every sponsorship; `None` from a gateway that does not tell them.
    pub ceilings: Option<Ceilings>,
}

impl KmsSigners {
    /// Whether a relay key may have operations sponsored.
    #[must_use]
    pub fn may_sponsor(&self, address: Address) -> bool {
        let sponsors = |signer: &&AuthorisedSigner| signer.permissions.contains(Permissions::SPONSOR);
        self.signers.iter().filter(sponsors).any(|signer| signer.address == address)
    }

    /// Whether a relay key is authorised.
    #[must_use]
    pub fn authorises(&self, address: Address) -> bool {
        self.record_of(address).is_some()
    }

    /// The record of a relay key.
    #[must_use]
    pub fn record_of(&self, address: Address) -> Option<&AuthorisedSigner> {
        self.signers.iter().find(|signer| signer.address == address)
    }
}

/// Gateways of one relay are over different TEEs, each with its own accounts and relay keys.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "remote_kms.urls names gateways of different TEEs, which share neither accounts nor relay keys: {}; leave those of one",
    gateways.iter().map(|(url, tee_id)| format!("{url} of TEE {tee_id}")).collect::<Vec<_>>().join(", ")
)]
pub struct SeveralTees {
    /// Each gateway that answered, by its address without secrets, and its TEE.
    pub gateways: Vec<(String, TeeId)>,
}

/// Why the KMS did not do it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KmsError {
    /// It decided against it.
    #[error("refused: {reason}")]
    Refused {
        /// Stable. An unknown one is shortened and escaped.
        reason: ReceivedReason,
        /// For people.
        message: String,
    },
    /// It could not decide, or it is unknown whether it did; the same request may be sent again.
    #[error("unavailable: {message}")]
    Unavailable {
        /// For people who run it.
        message: String,
        /// Whether something may have been signed and be on its way: there was no word of the KMS.
        in_doubt: bool,
    },
}

/// Which relay key approved a command.
fn approver(command: &Sponsor) -> Option<Address> {
    let hash = personal_message_hash(&command.request_digest().0);
    secp256k1::recover(&hash, &command.approval.signature)
}

impl KmsError {
    /// A refusal in the words of a trusted application's status; a failure of its platform counts
    /// as unavailable.
    #[must_use]
    pub fn from_status(status: proto::Status) -> Self {
        if status.is_failure() {
            Self::Unavailable { message: status.to_string(), in_doubt: false }
        } else {
            Self::Refused { reason: status.into(), message: status.to_string() }
        }
    }

    /// Whether it says that no such account exists.
    fn is_about_no_account(&self) -> bool {
        matches!(self, Self::Refused { reason, .. } if reason.status() == Some(proto::Status::AccountUnknown))
    }
}
