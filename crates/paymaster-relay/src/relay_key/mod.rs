//! The relay's signing key: encrypted on disk, leased for every approval, and rotated periodically.

mod keystore;
mod rotation;
mod version3;

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, SystemTime};

use k256::ecdsa::SigningKey;
use proto::digest::personal_message_hash;
use proto::json::invitation::Invitation;
use proto::{Address, Hash, RequestDigest, Signature, TeeId};
use secrecy::SecretString;
use thiserror::Error;
use tokio::sync::{Mutex, RwLock, RwLockReadGuard};

pub use keystore::passphrase;

use crate::kms::{Kms, KmsError};
use crate::secp256k1;
use crate::settings::RelayKeySettings;
use keystore::{KeyFile, Keystore};

/// A file's time may be later than the clock by this much.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// The current key, and its files.
pub struct RelayKey {
    keystore: Arc<Keystore>,
    kms: Arc<dyn Kms>,
    active: RwLock<ActiveKey>,
    /// Held by the one rotation that is under way.
    rotating: Mutex<()>,
    /// Seconds after which a key is replaced; zero for never.
    max_age: u64,
    open_rotation: StdMutex<Option<OpenRotation>>,
    /// Excludes other nodes, whose rotations would replace this one's key.
    _lock: Option<File>,
}

/// No `Debug`, no `Clone`; `SigningKey` wipes itself when dropped.
struct ActiveKey {
    key: SigningKey,
    address: Address,
    since: SystemTime,
    record: Option<KeyRecord>,
}

/// The record of a TEE in which a key is, or was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The TEE.
    pub tee_id: TeeId,
    /// The record's number, which is never used again.
    pub record: u64,
}

/// A rotation that was interrupted: it is not known whether the KMS accepted the next key, which is
/// on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenRotation {
    /// To a key that was not read since the start.
    ToUnread,
    /// To this key.
    To(Address),
}

/// The key, held for one approval: a rotation waits until every lease is released.
pub struct Lease<'a> {
    active: RwLockReadGuard<'a, ActiveKey>,
    max_age: u64,
}

/// Why the key cannot be opened or replaced.
#[derive(Debug, Error)]
pub enum RelayKeyError {
    /// Neither or both of the two places for a passphrase are configured.
    #[error("relay_key: set one of passphrase_env and passphrase_file")]
    PassphraseUnconfigured,
    /// The passphrase is not in the configured place.
    #[error("relay_key: no passphrase in {place}: {problem}")]
    PassphraseMissing {
        /// The variable or the file.
        place: String,
        /// The problem.
        problem: String,
    },
    /// Another node uses the key's file.
    #[error("relay_key: another node uses {file}: give each node its own key")]
    InUse {
        /// The file.
        file: String,
    },
    /// A file of the key cannot be read, restricted or created.
    #[error("relay_key: {0}")]
    Inaccessible(io::Error),
    /// The key's file cannot be read or written.
    #[error("relay_key: {file}: {problem}")]
    File {
        /// The file.
        file: String,
        /// The system's error.
        problem: String,
    },
    /// The file is not a keystore, or the passphrase is wrong.
    #[error("relay_key: {file} cannot be decrypted: wrong passphrase, or not a keystore")]
    Undecryptable {
        /// The file.
        file: String,
    },
    /// A new key could not be created.
    #[error("relay_key: no new key could be created")]
    NotMade,
    /// The KMS did not accept the new key. The old one stays in use.
    #[error("relay_key: the KMS did not accept the new key: {0}")]
    NotAccepted(KmsError),
    /// It is unknown whether the KMS accepted the new key. The old one stays in use until the KMS
    /// answers.
    #[error("relay_key: it is unknown whether the KMS accepted the new key: {0}")]
    Unresolved(KmsError),
}

impl RelayKey {
    /// Opens the key's file, which no other node can open until this one is dropped; creates a key
    /// if there is none. Blocks for about a second of decryption.
    ///
    /// A next key left behind by a rotation is kept until [`Self::resolve`] has asked the KMS which
    /// one is authorised.
    ///
    /// # Errors
    /// [`RelayKeyError`].
    pub fn open(
        settings: &RelayKeySettings,
        passphrase: SecretString,
        kms: Arc<dyn Kms>,
    ) -> Result<Self, RelayKeyError> {
        let keystore = Keystore::new(&settings.file, passphrase);
        keystore.check(settings.rotation_interval_seconds > 0)?;
        let lock = keystore.lock()?;
        let file = keystore.read_or_create()?;
        if !keystore.restrict()? {
            tracing::warn!(
                "the passphrase of the relay key's file is cheaper to guess than a new one's: rotate the key"
            );
        }
        Ok(Self::over(settings, keystore, file, kms, lock))
    }

    /// The same without changes on disk: `None` if there is no key yet, and one can be created.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub fn look_at(
        settings: &RelayKeySettings,
        passphrase: SecretString,
        kms: Arc<dyn Kms>,
    ) -> Result<Option<Self>, RelayKeyError> {
        let keystore = Keystore::new(&settings.file, passphrase);
        keystore.check(settings.rotation_interval_seconds > 0)?;
        let read = keystore.read()?;
        Ok(read.map(|file| Self::over(settings, keystore, file, kms, None)))
    }

    fn over(
        settings: &RelayKeySettings,
        keystore: Keystore,
        file: KeyFile,
        kms: Arc<dyn Kms>,
        lock: Option<File>,
    ) -> Self {
        let open_rotation = StdMutex::new(keystore.has_next().then_some(OpenRotation::ToUnread));
        let active = RwLock::new(ActiveKey::new(file));
        let max_age = settings.rotation_interval_seconds;
        let (keystore, rotating) = (Arc::new(keystore), Mutex::default());
        Self { keystore, kms, active, rotating, max_age, open_rotation, _lock: lock }
    }

    /// The address of the key in the file; creates a key if there is none. Makes no requests.
    ///
    /// # Errors
    /// [`RelayKeyError`].
    pub fn address_on_disk(settings: &RelayKeySettings, passphrase: SecretString) -> Result<Address, RelayKeyError> {
        let KeyFile { key, .. } = Keystore::new(&settings.file, passphrase).read_or_create()?;
        Ok(secp256k1::address(key.verifying_key()))
    }

    /// Holds the key for one approval.
    pub async fn lease(&self) -> Lease<'_> {
        Lease { active: self.active.read().await, max_age: self.max_age }
    }

    /// The address of the current key.
    pub async fn address(&self) -> Address {
        self.active.read().await.address
    }

    /// Age of the key in seconds.
    pub async fn age(&self) -> u64 {
        self.active.read().await.age()
    }

    /// The interrupted rotation, until the KMS has answered how it ended.
    #[must_use]
    pub fn open_rotation(&self) -> Option<OpenRotation> {
        *self.open_rotation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_rotation(&self, open: Option<OpenRotation>) {
        *self.open_rotation.lock().unwrap_or_else(PoisonError::into_inner) = open;
    }
}

impl ActiveKey {
    fn new(KeyFile { key, made, record }: KeyFile) -> Self {
        let address = secp256k1::address(key.verifying_key());
        Self { key, address, since: made, record }
    }

    fn age(&self) -> u64 {
        self.since.elapsed().map_or(0, |age| age.as_secs())
    }

    /// Whether it was made by a clock that was ahead: its age is unknown.
    fn is_of_the_future(&self) -> bool {
        self.since.duration_since(SystemTime::now()).is_ok_and(|ahead| ahead > CLOCK_TOLERANCE)
    }
}

impl Lease<'_> {
    /// The key's address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.active.address
    }

    /// The record that a rotation made the key for.
    pub(crate) fn made_for(&self) -> Option<KeyRecord> {
        self.active.record
    }

    /// Seconds until the key is due for rotation, as one of an unknown age is at once; `None` for
    /// never.
    #[must_use]
    pub fn seconds_to_rotation(&self) -> Option<u64> {
        let is_due = self.active.is_of_the_future();
        (self.max_age > 0).then(|| if is_due { 0 } else { self.max_age.saturating_sub(self.active.age()) })
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
