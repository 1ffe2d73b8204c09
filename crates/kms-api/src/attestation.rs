//! Remote attestation: which keys live in which trusted application.

use proto::bytes::BoundedBytes;
use proto::limits::MAX_QUOTE;
use proto::{Address, Hash, TeeId};
use serde::{Deserialize, Serialize};

use crate::status::{ProtectionReport, TaKey};

/// Requests [`Attestation`]. The field is the query parameter.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetAttestation {
    /// 32 bytes in hex, chosen by the client.
    pub nonce: String,
}

/// The trusted application's statement, and the platform's quote over it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attestation {
    /// The client's nonce.
    pub nonce: Hash,
    /// The TEE's id.
    pub tee_id: TeeId,
    /// `simulator` or `optee`.
    pub tee_mode: String,
    /// Semantic version of the trusted application.
    pub version: String,
    /// Measurement of the running code, as the trusted application knows it. The quote contains the
    /// platform's own.
    pub measurement: Hash,
    /// Admin commands that took effect.
    pub counter: u64,
    /// The key whose signature admin commands need. `None` before provisioning.
    pub admin: Option<Address>,
    /// Address of the key that signs for the paymasters.
    pub paymaster_signer: Option<Address>,
    /// Address of the standby key that is to replace it.
    pub standby_paymaster_signer: Option<Address>,
    /// The challenge that the quote covers: the statement, bound to the nonce.
    pub challenge: Hash,
    /// In the platform's format. `None` where the platform has no attestation: the statement is
    /// then unproven.
    pub quote: Option<BoundedBytes<MAX_QUOTE>>,
    /// Whether there is a quote, for people.
    pub quote_status: String,
    /// A note by the build, not covered by the quote.
    pub ta_key: Option<TaKey>,
    /// The TEE's own report, not covered by the quote.
    pub protection: ProtectionReport,
}
