//! The key's files: Ethereum keystores, version 3 (scrypt and AES-128-CTR). There is no plain-text
//! form.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use alloy_signer_local::PrivateKeySigner;
use k256::ecdsa::SigningKey;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{KeyRecord, RelayKeyError, version3};
use crate::settings::{PassphrasePlace, RelayKeySettings};

/// Reads the passphrase from the configured place.
///
/// # Errors
/// [`RelayKeyError::PassphraseUnconfigured`], [`RelayKeyError::PassphraseMissing`].
pub fn passphrase(settings: &RelayKeySettings) -> Result<SecretString, RelayKeyError> {
    let place = settings.passphrase_place().ok_or(RelayKeyError::PassphraseUnconfigured)?;
    let missing = |problem: &str| {
        let place = match &place {
            PassphrasePlace::Variable(name) => (*name).to_owned(),
            PassphrasePlace::File(file) => file.display().to_string(),
        };
        RelayKeyError::PassphraseMissing { place, problem: problem.to_owned() }
    };
    let found = match &place {
        // The content of an invalid variable is not repeated.
        PassphrasePlace::Variable(name) => env::var(name).map_err(|_| missing("not set")),
        PassphrasePlace::File(file) => fs::read_to_string(file).map_err(|error| missing(&error.to_string())),
    };
    let found = Zeroizing::new(found?);
    match found.trim_end_matches(['\r', '\n']) {
        "" => Err(missing("empty")),
        passphrase => Ok(SecretString::from(passphrase)),
    }
}

/// A key and what its file says of it.
pub(super) struct KeyFile {
    pub(super) key: SigningKey,
    /// When it was created.
    pub(super) made: SystemTime,
    /// The record that it was made for.
    pub(super) record: Option<KeyRecord>,
}

/// The file of the current key, and the file of the next one.
pub(super) struct Keystore {
    current: PathBuf,
    next: PathBuf,
    lock: PathBuf,
    passphrase: SecretString,
}

impl Keystore {
    pub(super) fn new(file: &Path, passphrase: SecretString) -> Self {
        let (next, lock) = (file.with_extension("next.json"), file.with_extension("lock"));
        Self { current: file.to_owned(), next, lock, passphrase }
    }

    /// Checks that the files can be read and restricted, or created if missing, and the current
    /// one replaced if the key is rotated. Changes nothing.
    pub(super) fn check(&self, is_rotated: bool) -> Result<(), RelayKeyError> {
        let check = || {
            private_files::check_file(&self.next)?;
            private_files::check_file(&self.lock)?;
            if private_files::check_file(&self.current)? {
                return if is_rotated { self.check_replaceable() } else { Ok(()) };
            }
            private_files::check_folder_to_make(folder(&self.current))
        };
        check().map_err(RelayKeyError::Inaccessible)
    }

    /// Containers mount single files, too, and nothing can take the place of a mount point.
    fn check_replaceable(&self) -> io::Result<()> {
        if !private_files::is_mount_point(&self.current)? {
            return Ok(());
        }
        let file = self.current.display();
        Err(io::Error::other(format!("{file}: a rotation cannot replace a file that is mounted: mount its folder")))
    }

    /// Makes this process the only one that replaces the key while the lock is held. `None` if
    /// nobody can replace it, because the folder is mounted read-only.
    pub(super) fn lock(&self) -> Result<Option<File>, RelayKeyError> {
        let folder = folder(&self.current);
        if self.current.exists() && private_files::check_folder(folder).is_err() {
            return Ok(None);
        }
        make_folder(folder)?;
        let lock = private_files::lock(&self.lock).map_err(|error| file_error(&self.lock, &error))?;
        lock.map(Some).ok_or_else(|| RelayKeyError::InUse { file: self.current.display().to_string() })
    }

    /// The current key and its creation time; creates the first one if there is none. If several
    /// processes create the first one concurrently, all return the one that ended up in the file.
    pub(super) fn read_or_create(&self) -> Result<KeyFile, RelayKeyError> {
        if let Some(read) = self.read()? {
            return Ok(read);
        }
        make_folder(folder(&self.current))?;
        if let Some(made) = self.encrypt_new(&self.current, None)? {
            return Ok(made);
        }
        // An earlier file is another process's key, which is complete from the start, or a dangling
        // link.
        self.read()?.ok_or_else(|| RelayKeyError::Inaccessible(self.link_to_nothing()))
    }

    /// The name exists, but no file can be read there.
    fn link_to_nothing(&self) -> io::Error {
        let file = self.current.display();
        io::Error::new(io::ErrorKind::AlreadyExists, format!("{file}: a symbolic link to a file that does not exist"))
    }

    /// The current key and its creation time; `None` if there is no file yet.
    pub(super) fn read(&self) -> Result<Option<KeyFile>, RelayKeyError> {
        self.decrypt(&self.current)
    }

    pub(super) fn read_next(&self) -> Result<Option<KeyFile>, RelayKeyError> {
        self.decrypt(&self.next)
    }

    pub(super) fn has_next(&self) -> bool {
        self.next.exists()
    }

    /// Creates a key for a record that is on disk before it is disclosed.
    pub(super) fn create_next(&self, record: KeyRecord) -> Result<KeyFile, RelayKeyError> {
        self.check_replaceable().map_err(RelayKeyError::Inaccessible)?;
        let taken = || file_error(&self.next, &io::ErrorKind::AlreadyExists.into());
        self.encrypt_new(&self.next, Some(record))?.ok_or_else(taken)
    }

    /// Replaces the current key by the next one, in one step.
    pub(super) fn promote_next(&self) -> Result<(), RelayKeyError> {
        replace(&self.next, &self.current)
    }

    pub(super) fn remove_next(&self) -> Result<(), RelayKeyError> {
        fs::remove_file(&self.next)
            .and_then(|()| sync(folder(&self.next)))
            .map_err(|error| file_error(&self.next, &error))
    }

    /// Restricts the current key's file to its owner; returns whether guessing its passphrase costs
    /// as much as for a new one.
    pub(super) fn restrict(&self) -> Result<bool, RelayKeyError> {
        private_files::restrict(&self.current)
            .and_then(|()| fs::read(&self.current))
            .map(|text| version3::is_of_standard_cost(&text))
            .map_err(|error| file_error(&self.current, &error))
    }

    fn decrypt(&self, file: &Path) -> Result<Option<KeyFile>, RelayKeyError> {
        let made = match fs::metadata(file).and_then(|metadata| metadata.modified()) {
            Ok(made) => made,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(file_error(file, &error)),
        };
        let undecryptable = || RelayKeyError::Undecryptable { file: file.display().to_string() };
        let signer =
            PrivateKeySigner::decrypt_keystore(file, self.passphrase.expose_secret()).map_err(|_| undecryptable())?;
        let scalar = Zeroizing::new(signer.to_bytes().0);
        let key = SigningKey::from_slice(scalar.as_slice()).map_err(|_| undecryptable())?;
        let record = version3::record(&fs::read(file).map_err(|error| file_error(file, &error))?);
        Ok(Some(KeyFile { key, made, record }))
    }

    /// A new key and its file; `None` if the file exists by now, which is then left unchanged.
    fn encrypt_new(&self, file: &Path, record: Option<KeyRecord>) -> Result<Option<KeyFile>, RelayKeyError> {
        let key = new_key()?;
        let text = version3::encrypt(&key, &self.passphrase, record)?;
        let is_ours = place(file, &text).map_err(|error| file_error(file, &error))?;
        Ok(is_ours.then(|| KeyFile { key, made: SystemTime::now(), record }))
    }
}

/// Writes to a draft file first, so that a crash leaves a complete keystore or none, and renames it
/// without replacing an existing one; returns whether there was none. Durable when it returns, and
/// accessible only to its owner from the start.
fn place(file: &Path, text: &str) -> io::Result<bool> {
    // Another process that creates a key has its own draft.
    let draft = file.with_extension(format!("{}.draft", Uuid::new_v4()));
    let placed = write(&draft, text).and_then(|()| fs::hard_link(&draft, file));
    let removed = fs::remove_file(&draft);
    match placed {
        Ok(()) => removed.and_then(|()| sync(folder(file))).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn write(draft: &Path, text: &str) -> io::Result<()> {
    let mut file = private_files::create_new(draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn new_key() -> Result<SigningKey, RelayKeyError> {
    let mut scalar = Zeroizing::new([0; 32]);
    loop {
        getrandom::fill(scalar.as_mut_slice()).map_err(|_| RelayKeyError::NotMade)?;
        // Out of range about once in 2^128.
        if let Ok(key) = SigningKey::from_slice(scalar.as_slice()) {
            return Ok(key);
        }
    }
}

fn replace(from: &Path, to: &Path) -> Result<(), RelayKeyError> {
    sync(from)
        .and_then(|()| fs::rename(from, to))
        .and_then(|()| sync(folder(to)))
        .map_err(|error| file_error(to, &error))
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn make_folder(folder: &Path) -> Result<(), RelayKeyError> {
    fs::create_dir_all(folder).map_err(|error| file_error(folder, &error))
}

fn file_error(file: &Path, error: &io::Error) -> RelayKeyError {
    RelayKeyError::File { file: file.display().to_string(), problem: error.to_string() }
}
