//! Remote attestation (protocol, section 2.7): the platform vouches, where it can, for which keys
//! live in which trusted application.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::abi::{Argument, encode};
use crate::bytes::{Bounded, BoundedBytes};
use crate::limits;
use crate::primitives::{Address, Hash, TeeId, keccak256};

/// Domain separator: distinguishes attested data from everything else that a platform may sign for
/// a trusted application.
pub const ATTESTATION_DOMAIN: &str = "SuperRelay attestation v2";

/// Requests a [`Statement`] and the platform's quote over it. Anyone may send it, in every phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attest {
    /// Chosen by the verifier, so that an older quote is not accepted.
    pub nonce: [u8; 32],
}

/// The statement, and the quote that proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestReply {
    /// The trusted application's claims.
    pub statement: Statement,
    /// The platform's signature over [`Statement::challenge`], in the platform's own format. `None`
    /// where the platform has no attestation: the statement is then unproven.
    pub quote: Option<BoundedBytes<{ limits::MAX_QUOTE }>>,
}

/// What a trusted application reports about itself; a quote binds every field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// The TEE's id.
    pub tee_id: TeeId,
    /// Semantic version.
    pub version: Bounded<String, 32>,
    /// Measurement of the running code, as the trusted application knows it. The quote contains the
    /// platform's own measurement, which is the authoritative one.
    pub measurement: Hash,
    /// Admin commands that took effect.
    pub counter: u64,
    /// Absent before provisioning.
    pub provisioned: Option<ProvisionedKeys>,
}

/// The admin and the paymaster keys of a provisioned trusted application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionedKeys {
    /// The address whose signature admin commands need.
    pub admin: Address,
    /// Address of the key that signs for the paymasters.
    pub paymaster_signer: Address,
    /// Address of the standby key that is to replace it, if one was prepared.
    pub standby_paymaster_signer: Option<Address>,
}

impl Statement {
    /// The challenge that the platform signs into a quote. It proves to the verifier that chose the
    /// nonce which keys live in which trusted application: `keccak256(abi.encode(bytes32 domain,
    /// bytes32 nonce, bytes32 teeId, bytes32 measurement, string version, uint64 counter, address
    /// admin, address paymasterSigner, address standbyPaymasterSigner))`, where `domain` is the
    /// hash of [`ATTESTATION_DOMAIN`], and a missing address is zero, as before provisioning.
    #[must_use]
    pub fn challenge(&self, nonce: &[u8; 32]) -> Hash {
        let keys = self.provisioned.as_ref();
        keccak256(encode(&[
            Argument::Static(&keccak256(ATTESTATION_DOMAIN)),
            Argument::Static(&Hash(*nonce)),
            Argument::Static(&self.tee_id),
            Argument::Static(&self.measurement),
            Argument::Dynamic(self.version.as_bytes()),
            Argument::Static(&self.counter),
            Argument::Static(&keys.map_or_else(Address::default, |keys| keys.admin)),
            Argument::Static(&keys.map_or_else(Address::default, |keys| keys.paymaster_signer)),
            Argument::Static(&keys.and_then(|keys| keys.standby_paymaster_signer).unwrap_or_default()),
        ]))
    }
}
