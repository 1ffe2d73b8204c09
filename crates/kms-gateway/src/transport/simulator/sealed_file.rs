//! The simulator's storage: a single file, sealed and replaced as a whole, so that no crash leaves
//! half a write.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::durable;
use super::error::SealedFileError;
use super::key_file::KeyFile;

const STATE: &str = "simulator.state";
const LOCK: &str = "simulator.lock";
/// The beginning of the file, which is authenticated too.
const MAGIC: &[u8; 16] = b"superrelay-sim-1";
const NONCE_LENGTH: usize = 24;

/// Named records and a counter, sealed with XChaCha20-Poly1305 under a key stored beside them.
pub struct SealedFile {
    folder: PathBuf,
    cipher: XChaCha20Poly1305,
    counter: u64,
    records: BTreeMap<Vec<u8>, Zeroizing<Vec<u8>>>,
    /// Held while the state is in use; the system releases it when the process dies.
    _lock: File,
}

#[derive(Serialize, Deserialize)]
struct Snapshot<'a> {
    counter: u64,
    #[serde(borrow)]
    records: Vec<(&'a [u8], &'a [u8])>,
}

impl SealedFile {
    /// Checks that [`Self::open`] would find its files in order. Changes nothing, and unseals
    /// nothing.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub(super) fn look_at(folder: &Path) -> Result<(), SealedFileError> {
        private_files::check_file(&folder.join(LOCK)).map_err(SealedFileError::Io)?;
        let has_state = private_files::check_file(&folder.join(STATE)).map_err(SealedFileError::Io)?;
        if KeyFile::may_block(folder) {
            return Ok(());
        }
        match KeyFile::read(folder)? {
            None if has_state => Err(SealedFileError::KeyMissing),
            Some(key) if key.has_sealed_a_state() && !has_state => Err(SealedFileError::StateMissing),
            _ => Ok(()),
        }
    }

    /// Opens the state in `folder`, or creates one if there never was any.
    ///
    /// # Errors
    /// A state that is missing or cannot be opened is an error, never an empty state.
    pub fn open(folder: &Path) -> Result<Self, SealedFileError> {
        fs::create_dir_all(folder).map_err(SealedFileError::Io)?;
        let lock = private_files::lock(&folder.join(LOCK)).map_err(SealedFileError::Io)?;
        let lock = lock.ok_or(SealedFileError::Locked)?;
        let sealed = read_if_there(&folder.join(STATE))?;
        if sealed.is_some() && !KeyFile::exists(folder) {
            return Err(SealedFileError::KeyMissing);
        }
        let mut key = KeyFile::open_or_create(folder)?;
        let mut file = Self {
            folder: folder.to_owned(),
            cipher: key.cipher()?,
            counter: 0,
            records: BTreeMap::new(),
            _lock: lock,
        };
        match sealed {
            Some(sealed) => file.unseal(sealed)?,
            None if key.has_sealed_a_state() => return Err(SealedFileError::StateMissing),
            None => file.persist()?,
        }
        // In this order: a crash in between leaves a state, and a key that opens it.
        if !key.has_sealed_a_state() {
            key.mark_initialised(folder)?;
        }
        Ok(file)
    }

    /// The value of a record, if there is one.
    #[must_use]
    pub fn read(&self, name: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.records.get(name).cloned()
    }

    /// Sets a record. Durable when it returns; unchanged if it fails.
    ///
    /// # Errors
    /// [`SealedFileError::Io`], for example on a full disk; [`SealedFileError::NoRandomness`].
    pub fn write(&mut self, name: &[u8], value: &[u8]) -> Result<(), SealedFileError> {
        let before = self.records.insert(name.to_vec(), Zeroizing::new(value.to_vec()));
        self.persist().inspect_err(|_| {
            match before {
                Some(before) => self.records.insert(name.to_vec(), before),
                None => self.records.remove(name),
            };
        })
    }

    /// The counter, initially 0.
    #[must_use]
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// Increments the counter and returns the new value. Durable when it returns; unchanged if it
    /// fails.
    ///
    /// # Errors
    /// Those of [`Self::write`].
    pub fn advance_counter(&mut self) -> Result<u64, SealedFileError> {
        let before = self.counter;
        self.counter = before.checked_add(1).ok_or(SealedFileError::CounterExhausted)?;
        self.persist().inspect_err(|_| self.counter = before)?;
        Ok(self.counter)
    }

    fn persist(&self) -> Result<(), SealedFileError> {
        let mut nonce = [0; NONCE_LENGTH];
        getrandom::fill(&mut nonce).map_err(|_| SealedFileError::NoRandomness)?;
        let mut body = self.snapshot()?;
        self.cipher
            .encrypt_in_place(&XNonce::from(nonce), MAGIC, &mut *body)
            .map_err(|_| SealedFileError::StateDamaged)?;
        let file = [MAGIC, nonce.as_slice(), &body].concat();
        durable::replace(&self.folder, STATE, &file).map_err(SealedFileError::Io)
    }

    fn snapshot(&self) -> Result<Zeroizing<Vec<u8>>, SealedFileError> {
        let records: Vec<_> = self.records.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        // Sized in advance, so that growing leaves no copies of secrets in memory.
        let size: usize = records.iter().map(|(name, value)| name.len() + value.len() + 16).sum();
        let snapshot = Snapshot { counter: self.counter, records };
        postcard::to_extend(&snapshot, Vec::with_capacity(size + 64))
            .map(Zeroizing::new)
            .map_err(|_| SealedFileError::StateDamaged)
    }

    fn unseal(&mut self, sealed: Vec<u8>) -> Result<(), SealedFileError> {
        let damaged = || SealedFileError::StateDamaged;
        let rest = sealed.strip_prefix(MAGIC).ok_or_else(damaged)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LENGTH>().ok_or_else(damaged)?;
        let mut body = Zeroizing::new(body.to_vec());
        self.cipher.decrypt_in_place(&XNonce::from(*nonce), MAGIC, &mut *body).map_err(|_| damaged())?;
        let (snapshot, []) = postcard::take_from_bytes::<Snapshot<'_>>(&body).map_err(|_| damaged())? else {
            return Err(damaged());
        };
        self.counter = snapshot.counter;
        self.records =
            snapshot.records.into_iter().map(|(name, value)| (name.to_vec(), Zeroizing::new(value.to_vec()))).collect();
        Ok(())
    }
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, SealedFileError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SealedFileError::Io(error)),
    }
}
