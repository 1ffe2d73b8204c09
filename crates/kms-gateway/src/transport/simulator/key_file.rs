//! The simulator's key, in a file beside the state it seals: it protects from accidents, not from
//! the host.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use zeroize::Zeroizing;

use super::durable;
use super::error::SealedFileError;

const NAME: &str = "simulator.key";
const KEY_LENGTH: usize = 32;
const FRESH: u8 = 0;
const INITIALISED: u8 = 1;

/// The key, and whether a state was ever sealed with it: 32 bytes and one.
pub(super) struct KeyFile {
    bytes: Zeroizing<[u8; KEY_LENGTH + 1]>,
}

impl KeyFile {
    pub(super) fn exists(folder: &Path) -> bool {
        folder.join(NAME).exists()
    }

    /// Reads the key in this folder, or creates a new one if there is none.
    pub(super) fn open_or_create(folder: &Path) -> Result<Self, SealedFileError> {
        match Self::read(folder)? {
            Some(key) => Ok(key),
            None => Self::create(folder),
        }
    }

    pub(super) fn cipher(&self) -> Result<XChaCha20Poly1305, SealedFileError> {
        XChaCha20Poly1305::new_from_slice(&self.bytes[..KEY_LENGTH]).map_err(|_| SealedFileError::KeyMalformed)
    }

    /// Whether a state must exist: if it is missing, it was removed.
    pub(super) fn has_sealed_a_state(&self) -> bool {
        self.bytes[KEY_LENGTH] == INITIALISED
    }

    pub(super) fn mark_initialised(&mut self, folder: &Path) -> Result<(), SealedFileError> {
        self.bytes[KEY_LENGTH] = INITIALISED;
        durable::replace(folder, NAME, &*self.bytes).map_err(SealedFileError::Io)
    }

    /// Whether reading it may take for ever, as from a pipe.
    pub(super) fn may_block(folder: &Path) -> bool {
        fs::metadata(folder.join(NAME)).is_ok_and(|found| !found.is_file() && !found.is_dir())
    }

    pub(super) fn read(folder: &Path) -> Result<Option<Self>, SealedFileError> {
        let path = folder.join(NAME);
        let file = match fs::read(&path) {
            Ok(file) => Zeroizing::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(SealedFileError::Io(error)),
        };
        let mode = fs::metadata(&path).map_err(SealedFileError::Io)?.permissions();
        if mode != Permissions::from_mode(mode.mode() & !0o077) {
            return Err(SealedFileError::KeyReadableByOthers);
        }
        let mut bytes = Zeroizing::new([0; KEY_LENGTH + 1]);
        if file.len() != bytes.len() || !matches!(file.last(), Some(&(FRESH | INITIALISED))) {
            return Err(SealedFileError::KeyMalformed);
        }
        bytes.copy_from_slice(&file);
        Ok(Some(Self { bytes }))
    }

    fn create(folder: &Path) -> Result<Self, SealedFileError> {
        let mut bytes = Zeroizing::new([FRESH; KEY_LENGTH + 1]);
        getrandom::fill(&mut bytes[..KEY_LENGTH]).map_err(|_| SealedFileError::NoRandomness)?;
        durable::replace(folder, NAME, &*bytes).map_err(SealedFileError::Io)?;
        Ok(Self { bytes })
    }
}
