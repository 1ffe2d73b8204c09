//! The cryptography of one sponsorship, with the crates and in the way the project does it: one
//! P-256 verification, one recovery of the relay's key, three signatures, and every hash between
//! them.

use k256::ecdsa::{RecoveryId, Signature as Secp256k1, SigningKey, VerifyingKey};
use p256::Sec1Point;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature as P256, VerifyingKey as PasskeyKey};
use proto::command::{PasskeyAssertion, PasskeyPublicKey, Sponsor, SponsorReply};
use proto::digest::personal_message_hash;
use proto::paymaster::paymaster_digest;
use proto::{Address, Hash, Signature};
use sha2::{Digest, Sha256};

use super::trusted_core::TrustedCore;
use crate::Outcome;

/// A sponsorship that the core has signed.
pub struct Cryptography {
    command: Sponsor,
    reply: SponsorReply,
    assertion: PasskeyAssertion,
    passkey: PasskeyPublicKey,
    relay: SigningKey,
    /// What the passkey signed.
    asserted: [u8; 32],
    /// What the relay signed.
    approved: Hash,
}

impl Cryptography {
    /// The cryptography of the frame that the core answered with this reply.
    pub fn of(core: &TrustedCore, reply: SponsorReply) -> Outcome<Self> {
        let TrustedCore { command, relay, passkey, .. } = core;
        let assertion = command.passkey.clone().ok_or("no assertion")?;
        let cryptography = Self {
            asserted: asserted(&assertion),
            approved: personal_message_hash(&command.request_digest().0),
            command: command.clone(),
            reply,
            assertion,
            passkey: *passkey,
            relay: relay.clone(),
        };
        cryptography.verify()?;
        if cryptography.recover()? != address(relay.verifying_key())
            || cryptography.sign() != command.approval.signature
        {
            return Err("the floor is not what the core did".into());
        }
        Ok(cryptography)
    }

    /// The user's approval.
    pub fn verify(&self) -> Outcome<()> {
        let PasskeyPublicKey { x, y } = self.passkey;
        let signature = P256::from_der(&self.assertion.signature)?;
        let point = Sec1Point::from_affine_coordinates(&x.into(), &y.into(), false);
        Ok(PasskeyKey::from_sec1_point(&point)?.verify_prehash(&self.asserted, &signature)?)
    }

    /// Recovers the address that signed the relay's approval.
    pub fn recover(&self) -> Outcome<Address> {
        let Signature { r, s, v } = self.command.approval.signature;
        let signature = Secp256k1::from_scalars(r, s)?;
        if signature.normalize_s() != signature {
            return Err("a high s".into());
        }
        let recovery = RecoveryId::new(v == 28, false);
        Ok(address(&VerifyingKey::recover_from_prehash(&self.approved.0, &signature, recovery)?))
    }

    /// The user's approval, as the relay checks it.
    pub fn verify_on_host(&self) -> Outcome<()> {
        Ok(host_crypto::check_assertion(&self.assertion, &self.passkey)?)
    }

    /// The signer of the relay's approval, as the host recovers it.
    pub fn recover_on_host(&self) -> Outcome<Address> {
        Ok(host_crypto::recover(&self.approved, &self.command.approval.signature).ok_or("no signer")?)
    }

    /// One of the three signatures.
    pub fn sign(&self) -> Signature {
        sign(&self.relay, &self.approved)
    }

    /// H0 and intent, what the passkey signed, Ht and request digest, paymaster digest, the final
    /// hash, and the two that are signed as messages.
    pub fn hashes(&self) -> [[u8; 32]; 6] {
        let Sponsor { entry_point, op, terms, .. } = &self.command;
        let last = self.command.final_op(&self.reply.paymaster_signature).hash(entry_point);
        [
            self.command.intent_hash().0,
            asserted(&self.assertion),
            personal_message_hash(&self.command.request_digest().0).0,
            paymaster_digest(op, entry_point, terms).0,
            last.0,
            personal_message_hash(&last.0).0,
        ]
    }
}

/// As `personal_sign` over 32 bytes.
pub fn personal_sign(key: &SigningKey, message: &[u8; 32]) -> Signature {
    sign(key, &personal_message_hash(message))
}

/// The address of a public key.
pub fn address(key: &VerifyingKey) -> Address {
    let mut coordinates = [0; 64];
    coordinates.copy_from_slice(&key.to_sec1_point(false).as_bytes()[1..]);
    Address::from_public_key(&coordinates)
}

pub fn sign(key: &SigningKey, hash: &Hash) -> Signature {
    let (signature, recovery) = key.sign_prehash_recoverable(&hash.0);
    let (r, s) = signature.split_bytes();
    Signature { r: r.into(), s: s.into(), v: 27 + recovery.to_byte() }
}

/// SHA-256 of authenticatorData ‖ SHA-256(clientDataJSON).
fn asserted(assertion: &PasskeyAssertion) -> [u8; 32] {
    let client_data = Sha256::digest(&*assertion.client_data_json);
    Sha256::new().chain_update(&*assertion.authenticator_data).chain_update(client_data).finalize().into()
}
