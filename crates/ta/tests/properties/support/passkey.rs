//! A software authenticator with a browser around it: its client data has the form that Chromium
//! writes.

use base64ct::{Base64UrlUnpadded, Encoding};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use proto::command::{PasskeyAssertion, PasskeyPublicKey, Registration};
use proto::{Bounded, IntentList};
use sha2::{Digest, Sha256};

pub const RP_ID: &str = "wallet.example";
pub const ORIGIN: &str = "https://wallet.example";
pub const UP: u8 = 1;
pub const UV: u8 = 4;
pub const BE: u8 = 8;
pub const BS: u8 = 16;
pub const AT: u8 = 64;
pub const ED: u8 = 128;

/// One passkey, and the page and platform where it is used; tests may change every field.
#[derive(Clone)]
pub struct Passkey {
    pub key: SigningKey,
    pub credential_id: Vec<u8>,
    pub rp_id: String,
    pub origin: String,
    pub flags: u8,
    /// The count of the next ceremony.
    pub count: u32,
    /// Inserted into client data before the closing brace.
    pub extra_client_data: String,
    /// Appended after the fixed fields of authenticator data.
    pub extensions: Vec<u8>,
}

impl Passkey {
    pub fn numbered(number: u8) -> Self {
        Self {
            key: SigningKey::from_slice(&[number; 32]).unwrap(),
            credential_id: vec![number; 32],
            rp_id: RP_ID.into(),
            origin: ORIGIN.into(),
            flags: UP | UV,
            count: 0,
            extra_client_data: String::new(),
            extensions: Vec::new(),
        }
    }

    pub fn public_key(&self) -> PasskeyPublicKey {
        let point = self.key.verifying_key().to_sec1_point(false);
        let (x, y) = point.as_bytes()[1..].split_at(32);
        PasskeyPublicKey { x: x.try_into().unwrap(), y: y.try_into().unwrap() }
    }

    pub fn register(&self) -> Registration {
        let mut data = self.authenticator_data(AT);
        let extensions = data.split_off(37);
        data.extend([0xaa; 16]);
        data.extend(u16::try_from(self.credential_id.len()).unwrap().to_be_bytes());
        data.extend(&self.credential_id);
        data.extend(cose(&self.public_key()));
        data.extend(extensions);
        Registration {
            authenticator_data: Bounded::new(data).unwrap(),
            client_data_json: Bounded::new(self.client_data("webauthn.create", &[9; 16])).unwrap(),
        }
    }

    /// The gesture: approves the challenge.
    pub fn assert(&self, challenge: &[u8]) -> PasskeyAssertion {
        self.sign(self.client_data("webauthn.get", challenge), self.authenticator_data(0))
    }

    /// One gesture for several operations.
    pub fn assert_all(&self, intents: &IntentList) -> PasskeyAssertion {
        PasskeyAssertion { intents: Some(intents.clone()), ..self.assert(&intents.hash().0) }
    }

    /// Signs arbitrary bytes that no honest client or authenticator would combine.
    pub fn sign(&self, client_data: Vec<u8>, authenticator_data: Vec<u8>) -> PasskeyAssertion {
        let message = [&authenticator_data[..], &Sha256::digest(&client_data)].concat();
        let signature: Signature = self.key.sign(&message);
        PasskeyAssertion {
            credential_id: Bounded::new(self.credential_id.clone()).unwrap(),
            authenticator_data: Bounded::new(authenticator_data).unwrap(),
            client_data_json: Bounded::new(client_data).unwrap(),
            signature: Bounded::new(signature.to_der().as_bytes().to_vec()).unwrap(),
            intents: None,
        }
    }

    pub fn client_data(&self, ceremony: &str, challenge: &[u8]) -> Vec<u8> {
        let challenge = Base64UrlUnpadded::encode_string(challenge);
        format!(
            r#"{{"type":"{ceremony}","challenge":"{challenge}","origin":"{}","crossOrigin":false{}}}"#,
            self.origin, self.extra_client_data
        )
        .into_bytes()
    }

    pub fn authenticator_data(&self, more_flags: u8) -> Vec<u8> {
        let mut data = Sha256::digest(&self.rp_id).to_vec();
        data.push(self.flags | more_flags);
        data.extend(self.count.to_be_bytes());
        data.extend(&self.extensions);
        data
    }
}

/// An ES256 key in canonical COSE.
pub fn cose(key: &PasskeyPublicKey) -> Vec<u8> {
    let head = [0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
    [&head[..], &key.x, &[0x22, 0x58, 0x20], &key.y].concat()
}
