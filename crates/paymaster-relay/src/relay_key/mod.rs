//! The relay's signing key: encrypted on disk, leased for every approval, replaced by a new one now
//! and then.

mod keystore;
mod rotation;
mod version3;

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use k256::ecdsa::SigningKey;
use proto::digest::personal_message_hash;
use proto::json::invitation::Invitation;
use proto::{Address, Hash, RequestDigest, Signature};
use secrecy::SecretString;
use thiserror::Error;
use tokio::sync::{Mutex, RwLock, RwLockReadGuard};

pub use keystore::passphrase;

use crate::kms::{Kms, KmsError};
use crate::secp256k1;
use crate::settings::RelayKeySettings;
use keystore::Keystore;

/// The key in use, and the files behind it.
pub struct RelayKey {
    keystore: Arc<Keystore>,
    kms: Arc<dyn Kms>,
    active: RwLock<ActiveKey>,
    /// Held by the one rotation that is under way.
    rotating: Mutex<()>,
    /// Seconds after which a key is replaced; zero for never.
    max_age: u64,
    /// Whether a next key is on disk whose fate is not known.
    unresolved: AtomicBool,
    /// Kept from other nodes, whose rotations would replace this one's key.
    _lock: Option<File>,
}

/// No `Debug`, no `Clone`; `SigningKey` wipes itself when dropped.
struct ActiveKey {
    key: SigningKey,
    address: Address,
    since: SystemTime,
}

/// The key, held for one approval: a rotation waits until every lease is back.
pub struct Lease<'a> {
    active: RwLockReadGuard<'a, ActiveKey>,
    max_age: u64,
}

/// Why the key can't be opened or replaced.
#[derive(Debug, Error)]
pub enum RelayKeyError {
    /// Neither or both of the two places for a passphrase are configured.
    #[error("relay_key: set one of passphrase_env and passphrase_file")]
    PassphraseUnconfigured,
    /// The passphrase is not where the settings say.
    #[error("relay_key: no passphrase in {place}: {problem}")]
    PassphraseMissing {
        /// The variable or the file.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Another node has the key's file.
    #[error("relay_key: another node uses {file}: give each node a key of its own")]
    InUse {
        /// The file.
        file: String,
    },
    /// A file of the key can't be read, restricted or made.
    #[error("relay_key: {0}")]
    Inaccessible(io::Error),
    /// The key's file can't be read or written.
    #[error("relay_key: {file}: {problem}")]
    File {
        /// The file.
        file: String,
        /// What the system said.
        problem: String,
    },
    /// The file is no keystore, or the passphrase is not its own.
    #[error("relay_key: {file} cannot be decrypted: wrong passphrase, or not a keystore")]
    Undecryptable {
        /// The file.
        file: String,
    },
    /// A new key could not be made.
    #[error("relay_key: no new key could be made")]
    NotMade,
    /// The KMS did not accept the new key. The old one stays in use.
    #[error("relay_key: the KMS did not accept the new key: {0}")]
    NotAccepted(KmsError),
    /// It is unknown whether the KMS accepted the new key. The old one stays in use until it can be
    /// asked.
    #[error("relay_key: it is not known yet whether the KMS accepted the new key: {0}")]
    Unresolved(KmsError),
}

impl RelayKey {
    /// Opens the key's file, which no other node can until this one is dropped; makes a key when
    /// there is none. Blocks for the second that decryption takes.
    ///
    /// A next key that a rotation left behind is kept until [`Self::resolve`] has asked the KMS
    /// which is authorised.
    ///
    /// # Errors
    /// [`RelayKeyError`].
    pub fn open(
        settings: &RelayKeySettings,
        passphrase: SecretString,
        kms: Arc<dyn Kms>,
    ) -> Result<Self, RelayKeyError> {
        let keystore = Keystore::new(&settings.file, passphrase);
        keystore.check()?;
        let lock = keystore.lock()?;
        let (key, since) = keystore.read_or_create()?;
        if !keystore.restrict()? {
            tracing::warn!(
                "the passphrase of the relay key's file is cheaper to guess than a new one's: rotate the key"
            );
        }
        Ok(Self::over(settings, keystore, (key, since), kms, lock))
    }

    /// The same without a change on disk: `None` when there is no key yet, and one can be made.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub fn look_at(
        settings: &RelayKeySettings,
        passphrase: SecretString,
        kms: Arc<dyn Kms>,
    ) -> Result<Option<Self>, RelayKeyError> {
        let keystore = Keystore::new(&settings.file, passphrase);
        keystore.check()?;
        let read = keystore.read()?;
        Ok(read.map(|key| Self::over(settings, keystore, key, kms, None)))
    }

    fn over(
        settings: &RelayKeySettings,
        keystore: Keystore,
        (key, since): (SigningKey, SystemTime),
        kms: Arc<dyn Kms>,
        lock: Option<File>,
    ) -> Self {
        let unresolved = AtomicBool::new(keystore.has_next());
        let active = RwLock::new(ActiveKey::new(key, since));
        let max_age = settings.rotation_interval_seconds;
        let (keystore, rotating) = (Arc::new(keystore), Mutex::default());
        Self { keystore, kms, active, rotating, max_age, unresolved, _lock: lock }
    }

    /// The address of the key in the file; makes a key when there is none. Asks nobody.
    ///
    /// # Errors
    /// [`RelayKeyError`].
    pub fn address_on_disk(settings: &RelayKeySettings, passphrase: SecretString) -> Result<Address, RelayKeyError> {
        let (key, _) = Keystore::new(&settings.file, passphrase).read_or_create()?;
        Ok(secp256k1::address(key.verifying_key()))
    }

    /// Holds the key for one approval.
    pub async fn lease(&self) -> Lease<'_> {
        Lease { active: self.active.read().await, max_age: self.max_age }
    }

    /// The address of the key in use.
    pub async fn address(&self) -> Address {
        self.active.read().await.address
    }

    /// Seconds since the key was made.
    pub async fn age(&self) -> u64 {
        self.active.read().await.age()
    }

    /// Whether a rotation was interrupted and the KMS has not been asked yet how it ended.
    #[must_use]
    pub fn is_unresolved(&self) -> bool {
        self.unresolved.load(Ordering::Relaxed)
    }
}

impl ActiveKey {
    fn new(key: SigningKey, since: SystemTime) -> Self {
        let address = secp256k1::address(key.verifying_key());
        Self { key, address, since }
    }

    fn age(&self) -> u64 {
        self.since.elapsed().map_or(0, |age| age.as_secs())
    }
}

impl Lease<'_> {
    /// The key's address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.active.address
    }

    /// Seconds until the key is due to be replaced; `None` for never.
    #[must_use]
    pub fn seconds_to_rotation(&self) -> Option<u64> {
        (self.max_age > 0).then(|| self.max_age.saturating_sub(self.active.age()))
    }

    /// Signs a request digest (EIP-191).
    #[must_use]
    pub fn approve(&self, digest: &RequestDigest) -> Signature {
        self.active.sign(&personal_message_hash(&digest.0))
    }

    /// Signs an invitation (EIP-191 over its digest).
    #[must_use]
    pub fn invite(&self, invitation: &Invitation) -> Signature {
        self.active.sign(&personal_message_hash(&invitation.digest().0))
    }
}

impl ActiveKey {
    fn sign(&self, digest: &Hash) -> Signature {
        secp256k1::sign(&self.key, digest)
    }
}
