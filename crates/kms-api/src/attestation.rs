//! Remote attestation: which keys live in which trusted application.

use proto::bytes::BoundedBytes;
use proto::limits::MAX_QUOTE;
use proto::{Address, Hash, TeeId};
use serde::{Deserialize, Serialize};

use crate::status::{ProtectionReport, TaKey};

/// Asks for [`Attestation`]. The field is the query.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetAttestation {
    /// 32 bytes in hex, of the client's own.
    pub nonce: String,
}

/// What the trusted application states, and the platform's quote over it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attestation {
    /// The client's.
    pub nonce: Hash,
    /// Which TEE it is.
    pub tee_id: TeeId,
    /// `simulator` or `optee`.
    pub tee_mode: String,
    /// Semantic version of the trusted application.
    pub version: String,
    /// Of the code that runs, as the trusted application knows it. The quote has the platform's
    /// own.
    pub measurement: Hash,
    /// Admin commands that took effect.
    pub counter: u64,
    /// Whose signature admin commands need. `None` before provisioning.
    pub admin: Option<Address>,
    /// Address of the key that signs for the paymasters.
    pub paymaster_signer: Option<Address>,
    /// Address of the key that is to sign after it.
    pub standby_paymaster_signer: Option<Address>,
    /// What the quote is over: the statement, bound to the nonce.
    pub challenge: Hash,
    /// In the platform's format. `None` where the platform has no attestation: then the statement
    /// proves nothing.
    pub quote: Option<BoundedBytes<MAX_QUOTE>>,
    /// For people: whether there is a quote.
    pub quote_status: String,
    /// A note of the build, which no quote covers.
    pub ta_key: Option<TaKey>,
    /// The TEE's own report, which no quote covers.
    pub protection: ProtectionReport,
}
