//! The key's files: Ethereum keystores, version 3 (scrypt and AES-128-CTR). There is no plain-text form.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use alloy_signer_local::PrivateKeySigner;
use k256::ecdsa::SigningKey;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{RelayKeyError, version3};
use crate::settings::{PassphrasePlace, RelayKeySettings};

/// Reads the passphrase from where the settings say.
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
        // What else there is in a variable is not repeated.
        PassphrasePlace::Variable(name) => env::var(name).map_err(|_| missing("not set")),
        PassphrasePlace::File(file) => fs::read_to_string(file).map_err(|error| missing(&error.to_string())),
    };
    let found = Zeroizing::new(found?);
    match found.trim_end_matches(['\r', '\n']) {
        "" => Err(missing("empty")),
        passphrase => Ok(SecretString::from(passphrase)),
    }
}

/// The file of the key in use, and the one of the key that may follow it.
pub(super) struct Keystore {
    current: PathBuf,
    next: PathBuf,
    passphrase: SecretString,
}

impl Keystore {
    pub(super) fn new(file: &Path, passphrase: SecretString) -> Self {
        Self { current: file.to_owned(), next: file.with_extension("next.json"), passphrase }
    }

    /// Whether the files can be read and restricted, or made where there are none. Changes nothing.
    pub(super) fn check(&self) -> Result<(), RelayKeyError> {
        let check = || {
            private_files::check_file(&self.next)?;
            if private_files::check_file(&self.current)? {
                return Ok(());
            }
            private_files::check_folder_to_make(folder(&self.current))
        };
        check().map_err(RelayKeyError::Inaccessible)
    }

    /// The key in use and since when; the first one when there is none yet.
    pub(super) fn read_or_create(&self) -> Result<(SigningKey, SystemTime), RelayKeyError> {
        match self.read()? {
            Some(read) => Ok(read),
            None => self.create(),
        }
    }

    /// The key in use and since when; `None` when there is no file yet.
    pub(super) fn read(&self) -> Result<Option<(SigningKey, SystemTime)>, RelayKeyError> {
        self.decrypt(&self.current)
    }

    pub(super) fn read_next(&self) -> Result<Option<(SigningKey, SystemTime)>, RelayKeyError> {
        self.decrypt(&self.next)
    }

    pub(super) fn has_next(&self) -> bool {
        self.next.exists()
    }

    /// Makes the first key.
    pub(super) fn create(&self) -> Result<(SigningKey, SystemTime), RelayKeyError> {
        let folder = folder(&self.current);
        fs::create_dir_all(folder).map_err(|error| file_error(folder, &error))?;
        self.encrypt_new(&self.current)
    }

    /// Makes a key that is on the disk before anybody hears of it.
    pub(super) fn create_next(&self) -> Result<(SigningKey, SystemTime), RelayKeyError> {
        self.encrypt_new(&self.next)
    }

    /// Puts the next key in the place of the one in use, in one step.
    pub(super) fn promote_next(&self) -> Result<(), RelayKeyError> {
        replace(&self.next, &self.current)
    }

    pub(super) fn remove_next(&self) -> Result<(), RelayKeyError> {
        fs::remove_file(&self.next)
            .and_then(|()| sync(folder(&self.next)))
            .map_err(|error| file_error(&self.next, &error))
    }

    /// Takes the file of the key in use from everybody but its owner; whether guessing its passphrase costs as much as of a
    /// new one.
    pub(super) fn restrict(&self) -> Result<bool, RelayKeyError> {
        private_files::restrict(&self.current)
            .and_then(|()| fs::read(&self.current))
            .map(|text| version3::is_of_standard_cost(&text))
            .map_err(|error| file_error(&self.current, &error))
    }

    fn decrypt(&self, file: &Path) -> Result<Option<(SigningKey, SystemTime)>, RelayKeyError> {
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
        Ok(Some((key, made)))
    }

    fn encrypt_new(&self, file: &Path) -> Result<(SigningKey, SystemTime), RelayKeyError> {
        let key = new_key()?;
        self.encrypt(&key, file)?;
        Ok((key, SystemTime::now()))
    }

    /// Writes to a file beside it first, so that a crash leaves a whole keystore or none.
    fn encrypt(&self, key: &SigningKey, file: &Path) -> Result<(), RelayKeyError> {
        let text = version3::encrypt(key, &self.passphrase)?;
        let draft = file.with_extension("draft");
        write(&draft, &text).map_err(|error| file_error(&draft, &error))?;
        fs::rename(&draft, file).and_then(|()| sync(folder(file))).map_err(|error| file_error(file, &error))
    }
}

/// Durable when it returns, and of its owner alone from the first byte.
fn write(draft: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
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

fn file_error(file: &Path, error: &io::Error) -> RelayKeyError {
    RelayKeyError::File { file: file.display().to_string(), problem: error.to_string() }
}
