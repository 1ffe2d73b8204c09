//! Why a configuration is refused.

use std::path::PathBuf;

use super::redacted;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file, or a value in any layer. No value is repeated: it may be a secret.
    #[error("configuration: {0}")]
    Invalid(String),
    /// The file does not exist.
    #[error("configuration: there is no file {}", .0.display())]
    FileNotFound(
        /// The path as given.
        PathBuf,
    ),
    /// A key that nothing reads.
    #[error("configuration: unknown key `{key}`{}", nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    UnknownKey {
        /// The key with its sections.
        key: String,
        /// The most similar known key.
        nearest: Option<String>,
    },
    /// An environment variable that nothing reads although it looks like a key.
    #[error("configuration: unknown variable `{name}`{}", nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    UnknownVariable {
        /// The variable's name.
        name: String,
        /// The variable of the most similar known key.
        nearest: Option<String>,
    },
    /// A variable whose value is not UTF-8.
    #[error("configuration: the value of the variable `{0}` is not UTF-8 text")]
    VariableNotText(
        /// The variable's name.
        String,
    ),
    /// An override that is not of the form `key=value`.
    #[error("configuration: `--set {0}` is not of the form key=value")]
    Override(
        /// The part that can be a key.
        String,
    ),
    /// An invalid value.
    #[error("configuration: {key}: {problem}")]
    Value {
        /// The key with its sections.
        key: String,
        /// The problem, for people.
        problem: String,
    },
    /// An invalid value in the relay's settings.
    #[error("configuration: relay.{0}")]
    Relay(#[from] paymaster_relay::SettingsError),
    /// An invalid value in the KMS gateway's settings.
    #[error("configuration: kms.{0}")]
    Kms(#[from] kms_gateway::settings::InvalidSettings),
    /// The named TEE is not built in.
    #[error("configuration: `kms.tee` is \"{name}\", and this super-relay was built without it: --features {name}")]
    WithoutTee {
        /// Its name in the settings, and its Cargo feature.
        name: &'static str,
    },
    /// Relay and KMS name different relying parties, so no passkey works with both.
    #[error("configuration: `relay.rp_id` and `kms.rp_id` are not the same")]
    RelyingParties,
    /// Nothing is configured to run.
    #[error("configuration: no file is given (--config FILE, or SUPER_RELAY_CONFIG), and `relay` or `kms` is missing")]
    NoFile,
    /// A command needs that section.
    #[error("configuration: `{0}` is missing")]
    Missing(&'static str),
    /// The production profile does not allow it.
    #[error("configuration: the production profile refuses {0}")]
    Production(String),
}

impl From<config::ConfigError> for ConfigError {
    fn from(error: config::ConfigError) -> Self {
        Self::Invalid(redacted::text(&error))
    }
}

impl ConfigError {
    pub(super) fn value(key: &str, problem: impl Into<String>) -> Self {
        Self::Value { key: key.to_owned(), problem: problem.into() }
    }
}
