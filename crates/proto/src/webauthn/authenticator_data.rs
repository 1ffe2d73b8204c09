//! Authenticator data (WebAuthn Level 3, section 6.1), byte by byte.

use super::public_key::split_cose;
use crate::command::PasskeyPublicKey;
use crate::primitives::Hash;
use crate::status::Status;

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const ATTESTED_CREDENTIAL: u8 = 1 << 6;
const EXTENSIONS: u8 = 1 << 7;

/// The authenticator's signed data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticatorData<'a> {
    /// SHA-256 of the relying party's id.
    pub rp_id_hash: Hash,
    flags: u8,
    /// Number of signatures, or 0 if the authenticator does not count.
    pub sign_count: u32,
    rest: &'a [u8],
}

/// The credential created by a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestedCredential<'a> {
    /// The credential id.
    pub id: &'a [u8],
    /// Its ES256 key.
    pub public_key: PasskeyPublicKey,
    /// The bytes that follow it, unparsed.
    pub extensions: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Parses the fixed fields.
    ///
    /// # Errors
    /// `AuthenticatorDataMalformed` if they are incomplete.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Status> {
        let mut reader = Reader(bytes);
        let rp_id_hash = Hash(reader.array()?);
        let [flags] = reader.array()?;
        let sign_count = u32::from_be_bytes(reader.array()?);
        Ok(Self { rp_id_hash, flags, sign_count, rest: reader.0 })
    }

    /// Whether the passkey may be synced.
    #[must_use]
    pub fn backup_eligible(&self) -> bool {
        self.has(BACKUP_ELIGIBLE)
    }

    /// Checks that the user was present and verified, and that only an eligible passkey is backed
    /// up.
    ///
    /// # Errors
    /// `UserNotPresent`, `UserNotVerified`, `BackupStateInvalid`.
    pub fn check_flags(&self) -> Result<(), Status> {
        if !self.has(USER_PRESENT) {
            return Err(Status::UserNotPresent);
        }
        if !self.has(USER_VERIFIED) {
            return Err(Status::UserNotVerified);
        }
        if self.has(BACKED_UP) && !self.backup_eligible() {
            return Err(Status::BackupStateInvalid);
        }
        Ok(())
    }

    /// Checks that there is no credential, as in an assertion: only extensions may follow the fixed
    /// fields.
    ///
    /// # Errors
    /// `AuthenticatorDataMalformed`.
    pub fn check_no_credential(&self) -> Result<(), Status> {
        if self.has(ATTESTED_CREDENTIAL) {
            return Err(Status::AuthenticatorDataMalformed);
        }
        self.check_extensions(self.rest)
    }

    /// The credential of a registration. Its key is not checked to be a point on the curve.
    ///
    /// # Errors
    /// `AuthenticatorDataMalformed` if there is none, or extra data; `PublicKeyInvalid` if its key
    /// is not an ES256 key in canonical COSE.
    pub fn credential(&self) -> Result<AttestedCredential<'a>, Status> {
        if !self.has(ATTESTED_CREDENTIAL) {
            return Err(Status::AuthenticatorDataMalformed);
        }
        let mut reader = Reader(self.rest);
        let _aaguid: [u8; 16] = reader.array()?;
        let id_length = usize::from(u16::from_be_bytes(reader.array()?));
        let id = reader.take(id_length)?;
        if id.is_empty() {
            return Err(Status::AuthenticatorDataMalformed);
        }
        let (public_key, extensions) = split_cose(reader.0)?;
        self.check_extensions(extensions)?;
        Ok(AttestedCredential { id, public_key, extensions })
    }

    /// Extensions are signed but not interpreted: they only have to be present exactly when the
    /// flag says so.
    fn check_extensions(&self, bytes: &[u8]) -> Result<(), Status> {
        (self.has(EXTENSIONS) != bytes.is_empty()).then_some(()).ok_or(Status::AuthenticatorDataMalformed)
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Status> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Status::AuthenticatorDataMalformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Status> {
        self.take(LENGTH)?.try_into().map_err(|_| Status::AuthenticatorDataMalformed)
    }
}
