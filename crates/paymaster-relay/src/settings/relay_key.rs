//! Settings of the relay's key.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

/// The relay's signing key. There is no plain-text form of it on disk.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RelayKeySettings {
    /// The key's file, an encrypted Ethereum keystore (version 3); created at the first start. Each
    /// node needs its own.
    #[schemars(with = "String")]
    pub file: PathBuf,
    /// The environment variable that holds the passphrase.
    #[serde(default)]
    pub passphrase_env: Option<String>,
    /// The file that holds the passphrase, as mounted by secret stores. A trailing line break is
    /// ignored.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub passphrase_file: Option<PathBuf>,
    /// Seconds after which the key is replaced by a new one; 0 for never.
    #[serde(default = "rotation_interval_seconds")]
    pub rotation_interval_seconds: u64,
}

/// The place of a passphrase.
pub(crate) enum PassphrasePlace<'a> {
    /// In this environment variable.
    Variable(&'a str),
    /// In this file.
    File(&'a Path),
}

impl RelayKeySettings {
    /// `None` if neither or both are named.
    pub(crate) fn passphrase_place(&self) -> Option<PassphrasePlace<'_>> {
        match (&self.passphrase_env, &self.passphrase_file) {
            (Some(name), None) => Some(PassphrasePlace::Variable(name)),
            (None, Some(file)) => Some(PassphrasePlace::File(file)),
            _ => None,
        }
    }
}

fn rotation_interval_seconds() -> u64 {
    24 * 60 * 60
}
