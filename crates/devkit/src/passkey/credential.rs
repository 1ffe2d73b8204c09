//! One ES256 credential: its key, its id, and their encodings.

use ciborium::Value as Cbor;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::{Signature, SigningKey};
use sha2::{Digest, Sha256};

use super::behaviour::SignatureForm;
use super::options::{ES256, PasskeyError};

/// DER of SubjectPublicKeyInfo for an uncompressed P-256 point, up to the point (RFC 5480).
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A discoverable credential. No `Debug`, no `Clone`: the key is not copied, and is wiped when
/// dropped.
pub(super) struct Credential {
    key: SigningKey,
    id: [u8; 32],
}

impl Credential {
    pub(super) fn create() -> Result<Self, PasskeyError> {
        let mut scalar = zeroize::Zeroizing::new(random()?);
        // A random scalar is out of range about once in 2^32.
        loop {
            if let Ok(key) = SigningKey::from_slice(scalar.as_slice()) {
                return Ok(Self { key, id: random()? });
            }
            *scalar = random()?;
        }
    }

    pub(super) fn id(&self) -> &[u8; 32] {
        &self.id
    }

    /// SEC1, uncompressed: `04 ‖ x ‖ y`.
    pub(super) fn public_key(&self) -> Vec<u8> {
        self.key.verifying_key().to_sec1_point(false).as_bytes().to_vec()
    }

    pub(super) fn public_key_spki(&self) -> Vec<u8> {
        [SPKI_PREFIX.as_slice(), &self.public_key()].concat()
    }

    /// aaguid (zero) ‖ length of the id ‖ id ‖ COSE key (WebAuthn Level 3, section 6.5.1).
    pub(super) fn attested_data(&self) -> Result<Vec<u8>, PasskeyError> {
        let point = self.public_key();
        let (x, y) = point[1..].split_at(32);
        // EC2, ES256, P-256, in CTAP2 canonical CBOR order.
        let cose_key = Cbor::Map(vec![
            (1.into(), 2.into()),
            (3.into(), ES256.into()),
            ((-1).into(), 1.into()),
            ((-2).into(), Cbor::Bytes(x.to_vec())),
            ((-3).into(), Cbor::Bytes(y.to_vec())),
        ]);
        let id_length = [0, 32];
        Ok([[0; 16].as_slice(), &id_length, &self.id, &encode(&cose_key)?].concat())
    }

    /// DER signature over `authenticatorData ‖ SHA-256(clientDataJSON)`.
    pub(super) fn sign(
        &self,
        authenticator_data: &[u8],
        client_data_json: &[u8],
        form: SignatureForm,
    ) -> Result<Vec<u8>, PasskeyError> {
        let digest =
            Sha256::new().chain_update(authenticator_data).chain_update(Sha256::digest(client_data_json)).finalize();
        let signed: Signature = self.key.sign_prehash(&digest).map_err(encoding)?;
        let low = signed.normalize_s();
        let signature = match form {
            SignatureForm::AsSigned => signed,
            SignatureForm::LowS => low,
            SignatureForm::HighS => {
                let (r, s) = low.split_scalars();
                Signature::from_scalars(r, -s).map_err(encoding)?
            }
        };
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

/// The attestation object of a credential without attestation (format `none`).
pub(super) fn attestation_object(authenticator_data: &[u8]) -> Result<Vec<u8>, PasskeyError> {
    encode(&Cbor::Map(vec![
        ("fmt".into(), "none".into()),
        ("attStmt".into(), Cbor::Map(Vec::new())),
        ("authData".into(), Cbor::Bytes(authenticator_data.to_vec())),
    ]))
}

fn encode(value: &Cbor) -> Result<Vec<u8>, PasskeyError> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_err(encoding)?;
    Ok(bytes)
}

fn encoding(error: impl std::fmt::Display) -> PasskeyError {
    PasskeyError::Encoding { detail: error.to_string() }
}

fn random() -> Result<[u8; 32], PasskeyError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| PasskeyError::NoRandomness)?;
    Ok(bytes)
}
