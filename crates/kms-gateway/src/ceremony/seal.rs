//! State that a client carries from one request to the next: sealed, so that nobody can forge or
//! change it, and with an expiry, so that nothing has to be stored here. Anyone may begin any
//! number of registrations without using storage.

use chacha20poly1305::aead::AeadInOut as _;
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use proto::json::passkey::{base64url, to_base64url};
use proto::limits;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

const NONCE_LENGTH: usize = 24;
/// Bytes: the parts of a registration, and room for everything else.
const MAX_TOKEN: usize =
    limits::MAX_CREDENTIAL_ID + limits::MAX_CLIENT_DATA + limits::MAX_AUTHENTICATOR_DATA + 2 * 1024;

/// The key that seals registrations. Their content is not secret: sealing prevents forgery.
#[derive(Clone)]
pub struct SealingKey(Zeroizing<[u8; 32]>);

/// The purpose of a token: it cannot be opened for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A ceremony that has begun.
    Begun,
    /// A passkey that was verified.
    Verified,
}

/// Seals and opens tokens.
pub(super) struct Seal(XChaCha20Poly1305);

impl SealingKey {
    /// Length of the key, in bytes.
    pub const LENGTH: usize = 32;

    /// A key from its bytes.
    #[must_use]
    pub const fn new(bytes: Zeroizing<[u8; Self::LENGTH]>) -> Self {
        Self(bytes)
    }

    /// A random key.
    ///
    /// # Errors
    /// If the operating system provides no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; Self::LENGTH]);
        getrandom::fill(&mut *bytes)?;
        Ok(Self(bytes))
    }

    /// The key's bytes, for storage.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Begun => b"super-relay registration begun v1",
            Self::Verified => b"super-relay registration verified v1",
        }
    }
}

impl Seal {
    pub(super) fn new(key: &SealingKey) -> Self {
        Self(XChaCha20Poly1305::new(&(*key.0).into()))
    }

    /// Returns base64url. `None` if there is no randomness.
    pub(super) fn seal(&self, purpose: Purpose, content: &impl Serialize) -> Option<String> {
        let mut nonce = [0; NONCE_LENGTH];
        getrandom::fill(&mut nonce).ok()?;
        let mut sealed = postcard::to_allocvec(content).ok()?;
        self.0.encrypt_in_place(&XNonce::from(nonce), purpose.label(), &mut sealed).ok()?;
        Some(to_base64url(&[&nonce[..], &sealed].concat()))
    }

    /// `None` unless it was sealed with this key for this purpose.
    pub(super) fn open<T: DeserializeOwned>(&self, purpose: Purpose, token: &str) -> Option<T> {
        let bytes = base64url::<MAX_TOKEN>(token).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LENGTH>()?;
        let mut content = sealed.to_vec();
        self.0.decrypt_in_place(&XNonce::from(*nonce), purpose.label(), &mut content).ok()?;
        postcard::from_bytes(&content).ok()
    }
}
