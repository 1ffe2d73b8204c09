//! Remote attestation (protocol, section 2.7): which keys live in which trusted application,
//! vouched for by the platform where it can.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::abi::{Argument, encode};
use crate::bytes::{Bounded, BoundedBytes};
use crate::limits;
use crate::primitives::{Address, Hash, TeeId, keccak256};

/// Separates what is attested from everything else that a platform may sign for a trusted
/// application.
pub const ATTESTATION_DOMAIN: &str = "SuperRelay attestation v2";

/// Asks for a [`Statement`] and the platform's quote over it. Anyone may, in every phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attest {
    /// Chosen by whoever wants to know, so that no older quote will do.
    pub nonce: [u8; 32],
}

/// The statement, and what makes it more than a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestReply {
    /// What the trusted application says.
    pub statement: Statement,
    /// The platform's signature over [`Statement::challenge`], in the platform's own format; `None`
    /// where the platform has no attestation: then the statement proves nothing.
    pub quote: Option<BoundedBytes<{ limits::MAX_QUOTE }>>,
}

/// What a trusted application reports about itself; a quote binds every field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Which TEE it is.
    pub tee_id: TeeId,
    /// Semantic version.
    pub version: Bounded<String, 32>,
    /// Of the code that runs, as the trusted application knows it. The quote carries the platform's
    /// own measurement of the code: that one counts.
    pub measurement: Hash,
    /// Admin commands that took effect.
    pub counter: u64,
    /// Absent before provisioning.
    pub provisioned: Option<ProvisionedKeys>,
}

/// Who commands a provisioned trusted application, and by whom its sponsorships are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionedKeys {
    /// Whose signature admin commands need.
    pub admin: Address,
    /// Address of the key that signs for the paymasters.
    pub paymaster_signer: Address,
    /// Address of the key that is to sign after it, if one was prepared.
    pub standby_paymaster_signer: Option<Address>,
}

impl Statement {
    /// What the platform signs into a quote, so that it proves which keys live in which trusted
    /// application, to whoever chose the nonce: `keccak256(abi.encode(bytes32 domain, bytes32
    /// nonce, bytes32 teeId, bytes32 measurement, string version, uint64 counter, address admin,
    /// address paymasterSigner, address standbyPaymasterSigner))`, where `domain` is the hash of
    /// [`ATTESTATION_DOMAIN`], and an address is zero where there is none, as before provisioning.
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
