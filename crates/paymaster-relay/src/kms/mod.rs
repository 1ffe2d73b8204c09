//! The KMS from the relay's side: a port with one implementation in process and one over HTTP.

mod http;
mod wallets;

use async_trait::async_trait;
use kms_api::{Reason, ReceivedReason};
use proto::command::{Allowances, Ceilings, RotateSigner, Sponsor, SponsorReply, WalletInfo};
use proto::signers::AuthorisedSigner;
use proto::{AccountId, Address, Permissions, TeeId};
use thiserror::Error;

pub use http::HttpKms;
pub(crate) use wallets::Wallets;

/// The functions of a KMS gateway that the relay needs.
#[async_trait]
pub trait Kms: Send + Sync {
    /// Requests sponsorship of an operation that the relay key with the address `approver` has
    /// approved. Deterministic: the same operation and terms give the same signatures.
    ///
    /// # Errors
    /// [`KmsError`].
    async fn sponsor(&self, command: &Sponsor, approver: Address, request_id: &str) -> Result<SponsorReply, KmsError>;

    /// Whether this process has compared each reply of [`Self::sponsor`] with its command: both
    /// signers and the hash. A remote gateway is not trusted with that.
    fn checks_replies(&self) -> bool {
        false
    }

    /// The public facts of an account.
    ///
    /// # Errors
    /// [`KmsError`]; an unknown account is refused with `account_unknown`.
    async fn wallet(&self, account_id: &AccountId) -> Result<WalletInfo, KmsError>;

    /// The relay keys that may have operations sponsored, and the paymaster keys.
    ///
    /// # Errors
    /// [`KmsError`].
    async fn signers(&self) -> Result<KmsSigners, KmsError>;

    /// Replaces a relay key by a new one.
    ///
    /// # Errors
    /// [`KmsError`].
    async fn rotate_signer(&self, command: &RotateSigner) -> Result<(), KmsError>;

    /// Whether requests can be served.
    ///
    /// # Errors
    /// [`KmsError`].
    async fn ready(&self) -> Result<(), KmsError>;

    /// Checks that all gateways use the same TEE, judging by those that answer: accounts, relay
    /// keys and invitations belong to one TEE.
    ///
    /// # Errors
    /// [`SeveralTees`].
    async fn is_one_tee(&self) -> Result<(), SeveralTees> {
        Ok(())
    }

    /// Whether it caches unknown accounts itself, and removes created ones from that cache: then
    /// the relay does not cache them, and a new account is known immediately.
    fn remembers_unknown_accounts(&self) -> bool {
        false
    }

    /// The URL for its admin commands, as accepted by `super-relay admin --kms`.
    fn url(&self) -> Option<String> {
        None
    }

    /// Seconds by which its clock was ahead of ours at its last answer, negative if behind. `None`
    /// if unknown, or if it is the same clock.
    fn clock_ahead(&self) -> Option<i64> {
        None
    }
}

/// The trusted application's report about signers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsSigners {
    /// The TEE's id.
    pub tee_id: TeeId,
    /// Address of the key that signs for the paymasters.
    pub paymaster_signer: Address,
    /// Address of the standby key that is to replace it, if one was prepared.
    pub standby_paymaster_signer: Option<Address>,
    /// The relay keys.
    pub signers: Vec<AuthorisedSigner>,
    /// The relying party whose passkeys it registers; `None` from a gateway that does not report
    /// it.
    pub rp_id: Option<String>,
    /// The bounds of every sponsorship; `None` from a gateway that does not report them.
    pub ceilings: Option<Ceilings>,
    /// The totals of what is signed for each deployment; `None` from a gateway that does not report
    /// them.
    pub allowances: Option<Allowances>,
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

/// The gateways of one relay use different TEEs, each with its own accounts and relay keys.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "remote_kms.urls names gateways of different TEEs, which share neither accounts nor relay keys: {}; list those of one TEE only",
    gateways.iter().map(|(url, tee_id)| format!("{url} of TEE {tee_id}")).collect::<Vec<_>>().join(", ")
)]
pub struct SeveralTees {
    /// Each gateway that answered, with its URL without secrets, and its TEE.
    pub gateways: Vec<(String, TeeId)>,
}

/// Why the KMS did not carry out a request.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KmsError {
    /// It refused.
    #[error("refused: {reason}")]
    Refused {
        /// The stable reason. An unknown one is truncated and escaped.
        reason: ReceivedReason,
        /// For people.
        message: String,
    },
    /// It could not decide, or it is unknown whether it did; the same request may be sent again.
    #[error("unavailable: {message}")]
    Unavailable {
        /// For operators.
        message: String,
        /// Whether something may have been signed: the KMS itself did not answer.
        in_doubt: bool,
    },
}

impl KmsError {
    /// As a gateway answers a trusted application's status: a refusal, or unavailable if the status
    /// decides nothing.
    #[must_use]
    pub fn from_status(status: proto::Status) -> Self {
        let (reason, message) = (ReceivedReason::from(status), status.to_string());
        if reason.is_decision(Reason::from(status).http_status()) {
            Self::Refused { reason, message }
        } else {
            Self::Unavailable { message, in_doubt: false }
        }
    }

    /// Whether it says that the account does not exist.
    fn is_about_no_account(&self) -> bool {
        matches!(self, Self::Refused { reason, .. } if reason.status() == Some(proto::Status::AccountUnknown))
    }
}
