//! Authenticator data (WebAuthn Level 3, section 6.1), byte by byte.

use proto::{Hash, Status};

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const ATTESTED_CREDENTIAL: u8 = 1 << 6;
const EXTENSIONS: u8 = 1 << 7;

/// What an authenticator says under its signature.
pub(super) struct AuthenticatorData<'a> {
    /// SHA-256 of the relying party's id.
    pub(super) rp_id_hash: Hash,
    flags: u8,
    /// How often it signed, or 0 if it does not count.
    pub(super) sign_count: u32,
    rest: &'a [u8],
}

/// The credential a registration made.
pub(super) struct AttestedCredential<'a> {
    pub(super) id: &'a [u8],
    /// Its key as COSE encodes it.
    pub(super) public_key: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Status> {
        let mut reader = Reader(bytes);
        let rp_id_hash = Hash(reader.array()?);
        let [flags] = reader.array()?;
        let sign_count = u32::from_be_bytes(reader.array()?);
        Ok(Self { rp_id_hash, flags, sign_count, rest: reader.0 })
    }

    pub(super) fn backup_eligible(&self) -> bool {
        self.has(BACKUP_ELIGIBLE)
    }

    /// The user was there and proved to be the user; a backup only where one may be.
    pub(super) fn check_flags(&self) -> Result<(), Status> {
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

    /// An assertion carries no credential, and nothing but extensions after the fixed fields.
    pub(super) fn check_no_credential(&self) -> Result<(), Status> {
        if self.has(ATTESTED_CREDENTIAL) {
            return Err(Status::AuthenticatorDataMalformed);
        }
        self.check_extensions(self.rest)
    }

    /// The credential of a registration, whose key takes `key_length` bytes.
    pub(super) fn credential(&self, key_length: usize) -> Result<AttestedCredential<'a>, Status> {
        if !self.has(ATTESTED_CREDENTIAL) {
            return Err(Status::AuthenticatorDataMalformed);
        }
        let mut reader = Reader(self.rest);
        let _aaguid: [u8; 16] = reader.array()?;
        let id_length = usize::from(u16::from_be_bytes(reader.array()?));
        let id = reader.take(id_length)?;
        let public_key = reader.take(key_length)?;
        self.check_extensions(reader.0)?;
        if id.is_empty() {
            return Err(Status::AuthenticatorDataMalformed);
        }
        Ok(AttestedCredential { id, public_key })
    }

    /// Extensions are signed but mean nothing here: it is enough that they are there exactly when the flag says so.
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
