//! What the trusted core needs from its platform.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use proto::command::Protection;
use proto::{Bounded, Hash, Status};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The name of a sealed record. A name reveals only a digest of what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RecordName {
    /// Admin, paymaster key, relay keys, relying parties and ceilings, with a version.
    System,
    /// An account: keccak256 of its id.
    Account(Hash),
    /// Which account a passkey belongs to: keccak256 of the credential id.
    Credential(Hash),
    /// Nothing: written to learn whether the store has room.
    Room,
    /// A bucket of accounts and passkeys, by its number ([`Buckets`](crate::Buckets)).
    Bucket(u8),
    /// Which buckets were written.
    BucketList,
}

impl RecordName {
    /// Bytes of a name: one for its kind, and a digest. Short enough for any store (GlobalPlatform:
    /// at most 64).
    pub const LENGTH: usize = 33;

    /// The name's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let (kind, Hash(digest)) = match self {
            Self::System => (0, Hash::default()),
            Self::Account(digest) => (1, *digest),
            Self::Credential(digest) => (2, *digest),
            Self::Room => (3, Hash::default()),
            Self::Bucket(number) => (4, Hash([*number; 32])),
            Self::BucketList => (5, Hash::default()),
        };
        let mut name = [kind; Self::LENGTH];
        for (to, from) in name.iter_mut().skip(1).zip(digest) {
            *to = from;
        }
        name
    }

    /// The account, passkey or bucket with these bytes as its name.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (kind, digest) = bytes.split_first()?;
        let digest = Hash(digest.try_into().ok()?);
        let name = match (kind, digest.0) {
            (1, _) => Self::Account(digest),
            (2, _) => Self::Credential(digest),
            (4, [number, ..]) => Self::Bucket(number),
            _ => return None,
        };
        (name.to_bytes() == bytes).then_some(name)
    }
}

/// Keeps records confidential and authentic, each under its own name.
pub trait SecureStore {
    /// The record, or `None` if there is none. A record that cannot be read is an error, never
    /// `None`.
    fn read(&self, name: &RecordName) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError>;

    /// Replaces the record atomically, and durably once this returns. After an error either the old
    /// or the new record may be there.
    fn write(&mut self, name: &RecordName, value: &[u8]) -> Result<(), StoreError>;

    /// Checks that all of these records, with so many bytes each, could be added, as far as the
    /// store knows that without writing.
    ///
    /// # Errors
    /// `Full` if not; and those of reading.
    fn check_fits(&self, _records: &[(RecordName, usize)]) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Why a record is not available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The store did not answer, or is full.
    Failed,
    /// The place for a new record of that name is full, whatever room the store has.
    Full,
    /// The record differs from what was written.
    Corrupt,
}

/// Randomness for new keys, from the platform and never from the host.
pub trait Entropy {
    /// Fills all of `bytes`.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

/// The source of randomness did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntropyError;

/// A number that only increases, independently of the records. [`Platform::rollback`] states how
/// well the platform prevents it from decreasing: an older system record is refused unless the
/// counter was rolled back with it.
pub trait MonotonicCounter {
    /// The number; 0 on a new platform.
    fn value(&self) -> Result<u64, CounterError>;

    /// Increments the number and returns it, durably once this returns. After an error it may or
    /// may not have been incremented.
    fn advance(&mut self) -> Result<u64, CounterError>;
}

/// The counter did not answer, or cannot grow further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterError;

/// Attests to the running code, where the platform can.
pub trait Attestor {
    /// The platform's signature over its measurement of the running code and the challenge, in its
    /// own format, at most [`proto::limits::MAX_QUOTE`] bytes; `None` if the platform has no
    /// attestation at all.
    fn quote(&mut self, challenge: &Hash) -> Result<Option<Vec<u8>>, AttestError>;
}

/// The platform supports attestation but failed to attest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttestError;

/// A platform without attestation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoAttestation;

impl Attestor for NoAttestation {
    fn quote(&mut self, _: &Hash) -> Result<Option<Vec<u8>>, AttestError> {
        Ok(None)
    }
}

/// What the platform reports about itself, as returned by `VerifySecurityState`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// Semantic version of the trusted application.
    pub version: Bounded<String, 32>,
    /// Measurement of the running code.
    pub measurement: Hash,
    /// Confidentiality and integrity of the store.
    pub storage: Protection,
    /// Whether an older snapshot of the store is refused.
    pub rollback: Protection,
    /// Protection of the clock, which the core does not use.
    pub time: Protection,
}

macro_rules! port_errors {
    ($($error:ty: $text:literal,)*) => {
        $(impl fmt::Display for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($text)
            }
        }

        impl core::error::Error for $error {})*
    };
}

port_errors! {
    StoreError: "the secure storage failed",
    EntropyError: "the source of randomness failed",
    CounterError: "the monotonic counter failed",
    AttestError: "the platform's attestation failed",
}

impl From<StoreError> for Status {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Failed => Self::StorageFailed,
            StoreError::Full => Self::StorageFull,
            StoreError::Corrupt => Self::StorageCorrupt,
        }
    }
}

impl From<EntropyError> for Status {
    fn from(EntropyError: EntropyError) -> Self {
        Self::EntropyFailed
    }
}

impl From<CounterError> for Status {
    fn from(CounterError: CounterError) -> Self {
        Self::CounterFailed
    }
}

impl From<AttestError> for Status {
    fn from(AttestError: AttestError) -> Self {
        Self::AttestationFailed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_has_a_name_of_its_own() {
        let (one, two) = (Hash([1; 32]), Hash([2; 32]));
        let names = [
            RecordName::System,
            RecordName::Account(one),
            RecordName::Account(two),
            RecordName::Credential(one),
            RecordName::Credential(two),
            RecordName::Room,
            RecordName::Bucket(0),
            RecordName::Bucket(1),
            RecordName::BucketList,
        ];
        for (index, name) in names.iter().enumerate() {
            assert!(names[..index].iter().all(|other| other.to_bytes() != name.to_bytes()), "{name:?}");
        }
    }
}
