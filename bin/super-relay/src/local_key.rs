//! Keys in files of this machine that no other user may read.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use alloy_signer_local::PrivateKeySigner;
use clap::Args;
use k256::ecdsa::SigningKey;
use proto::{Address, Signature};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use thiserror::Error;

/// Where a secp256k1 key is. It is never an argument, which other users can see.
#[derive(Args, Clone)]
pub struct KeyArgs {
    /// A file that no other user may read: 32 bytes in hex, or a keystore (the JSON of geth,
    /// foundry and ethers).
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The passphrase of that keystore, in a file that no other user may read. A line break at its
    /// end does not belong to it.
    #[arg(long, value_name = "FILE", requires = "key_file")]
    passphrase_file: Option<PathBuf>,
}

/// Why a file has no key for us. No content is repeated.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("{}: {error}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
    /// Others may read it.
    #[error("{}: other users may read this key: chmod 600", .0.display())]
    NotPrivate(PathBuf),
    /// Neither form.
    #[error("{}: neither a secp256k1 key of 32 bytes in hex nor a keystore", .0.display())]
    NotKey(PathBuf),
    /// A keystore without its passphrase.
    #[error("{}: a keystore: name the file of its passphrase with --passphrase-file", .0.display())]
    PassphraseMissing(PathBuf),
    /// A passphrase for a key that has none.
    #[error("{}: a key in hex, which has no passphrase: omit --passphrase-file", .0.display())]
    PassphraseNotUsed(PathBuf),
    /// The passphrase does not open it.
    #[error("{}: the passphrase does not open this keystore, or it is not one of version 3", .0.display())]
    Locked(PathBuf),
}

/// A key that signs on this machine. No `Debug`, no `Clone`; wiped when dropped.
pub struct LocalKey {
    key: SigningKey,
    address: Address,
}

impl KeyArgs {
    /// The key, if one is named.
    pub fn read(&self) -> Result<Option<LocalKey>, KeyFileError> {
        let Some(file) = &self.key_file else { return Ok(None) };
        let text = read_private(file)?;
        let is_keystore = text.expose_secret().trim_start().starts_with('{');
        let secret = match &self.passphrase_file {
            None if is_keystore => return Err(KeyFileError::PassphraseMissing(file.clone())),
            Some(_) if !is_keystore => return Err(KeyFileError::PassphraseNotUsed(file.clone())),
            None => plain(&text),
            Some(passphrase) => Some(unlocked(file, &read_private(passphrase)?)?),
        };
        secret.and_then(|secret| LocalKey::of(&secret)).ok_or_else(|| KeyFileError::NotKey(file.clone())).map(Some)
    }
}

impl LocalKey {
    fn of(secret: &SecretSlice<u8>) -> Option<Self> {
        let key = SigningKey::from_slice(secret.expose_secret()).ok()?;
        let point = key.verifying_key().to_sec1_point(false);
        let address = Address::from_public_key(point.as_bytes().get(1..)?.try_into().ok()?);
        Some(Self { key, address })
    }

    /// Its address.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// The same key for alloy's transactions; `None` never happens.
    pub fn wallet(&self) -> Option<PrivateKeySigner> {
        PrivateKeySigner::from_slice(&self.key.to_bytes()).ok()
    }

    /// Signs a hash as it is: the caller knows what it is a hash of.
    pub fn sign(&self, hash: &[u8; 32]) -> Signature {
        let (signature, recovery_id) = self.key.sign_prehash_recoverable(hash);
        let (r, s) = signature.split_bytes();
        Signature { r: r.into(), s: s.into(), v: 27 + recovery_id.to_byte() }
    }
}

/// The text of a file that no other user may read.
pub fn read_private(path: &Path) -> Result<SecretString, KeyFileError> {
    let unreadable = |error| KeyFileError::Unreadable { file: path.to_owned(), error };
    let mut file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.permissions().mode() & 0o077 != 0 {
        return Err(KeyFileError::NotPrivate(path.to_owned()));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unreadable)?;
    Ok(text.into())
}

fn plain(text: &SecretString) -> Option<SecretSlice<u8>> {
    let text = text.expose_secret().trim();
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok().map(SecretSlice::from)
}

fn unlocked(file: &Path, passphrase: &SecretString) -> Result<SecretSlice<u8>, KeyFileError> {
    let passphrase = passphrase.expose_secret().trim_end_matches(['\r', '\n']);
    let key = PrivateKeySigner::decrypt_keystore(file, passphrase);
    key.map(|key| key.to_bytes().to_vec().into()).map_err(|_| KeyFileError::Locked(file.to_owned()))
}
