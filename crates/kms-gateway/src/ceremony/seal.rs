//! What a client carries for us from one request to the next: sealed, so that nobody makes or
//! changes it, and with an end, so that nothing has to be remembered here. Anyone may begin as many
//! registrations as they like; they take no room.

use chacha20poly1305::aead::AeadInOut as _;
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use proto::json::passkey::{base64url, to_base64url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

const NONCE_LENGTH: usize = 24;
/// Bytes. A credential id takes 1023 at most, client data 1024, authenticator data 1536.
const MAX_TOKEN: usize = 8 * 1024;

/// The key that registrations are sealed with. What is sealed is no secret: the key keeps others
/// from making it.
#[derive(Clone)]
pub struct SealingKey(Zeroizing<[u8; 32]>);

/// What a token is for: one for another purpose does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A ceremony that has begun.
    Begun,
    /// A passkey that was verified.
    Verified,
}

/// Seals and opens.
pub(super) struct Seal(XChaCha20Poly1305);

impl SealingKey {
    /// The number of its bytes.
    pub const LENGTH: usize = 32;

    /// A key from its bytes.
    #[must_use]
    pub const fn new(bytes: Zeroizing<[u8; Self::LENGTH]>) -> Self {
        Self(bytes)
    }

    /// A key that nobody has.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; Self::LENGTH]);
        getrandom::fill(&mut *bytes)?;
        Ok(Self(bytes))
    }

    /// Its bytes, to be kept.
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

    /// Base64url. `None` when there is no randomness.
    pub(super) fn seal(&self, purpose: Purpose, content: &impl Serialize) -> Option<String> {
        let mut nonce = [0; NONCE_LENGTH];
        getrandom::fill(&mut nonce).ok()?;
        let mut sealed = postcard::to_allocvec(content).ok()?;
        self.0.encrypt_in_place(&XNonce::from(nonce), purpose.label(), &mut sealed).ok()?;
        Some(to_base64url(&[&nonce[..], &sealed].concat()))
    }

    /// `None` when it was not sealed here for this purpose.
    pub(super) fn open<T: DeserializeOwned>(&self, purpose: Purpose, token: &str) -> Option<T> {
        let bytes = base64url::<MAX_TOKEN>(token).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LENGTH>()?;
        let mut content = sealed.to_vec();
        self.0.decrypt_in_place(&XNonce::from(*nonce), purpose.label(), &mut content).ok()?;
        postcard::from_bytes(&content).ok()
    }
}
