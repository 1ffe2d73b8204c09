//! Why the configuration can't be used.

use std::path::PathBuf;

use super::redacted;

/// Why the configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file, or a value in any layer. No value is repeated: it may be a secret.
    #[error("configuration: {0}")]
    Invalid(String),
    /// There is no such file.
    #[error("configuration: there is no file {}", .0.display())]
    FileNotFound(
        /// As it was given.
        PathBuf,
    ),
    /// A key that nothing reads.
    #[error("configuration: unknown key `{key}`{}", nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    UnknownKey {
        /// With its sections.
        key: String,
        /// The known key most like it.
        nearest: Option<String>,
    },
    /// A variable of the environment that nothing reads, though it looks like a key.
    #[error("configuration: unknown variable `{name}`{}", nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    UnknownVariable {
        /// As it is.
        name: String,
        /// The variable of the known key most like it.
        nearest: Option<String>,
    },
    /// An override that is no `key=value`.
    #[error("configuration: `--set {0}` is not of the form key=value")]
    Override(
        /// As far as it can be a key.
        String,
    ),
    /// A value that makes no sense.
    #[error("configuration: {key}: {problem}")]
    Value {
        /// With its sections.
        key: String,
        /// What is wrong, for people.
        problem: String,
    },
    /// A value of the relay that makes no sense.
    #[error("configuration: relay.{0}")]
    Relay(#[from] paymaster_relay::SettingsError),
    /// A value of the KMS gateway that makes no sense.
    #[error("configuration: kms.{0}")]
    Kms(#[from] kms_gateway::settings::InvalidSettings),
    /// The TEE that it names is not built in.
    #[error("configuration: `kms.tee` is \"{name}\", and this super-relay was built without it: --features {name}")]
    WithoutTee {
        /// As the settings name it, and its Cargo feature.
        name: &'static str,
    },
    /// No passkey is of both.
    #[error("configuration: `relay.rp_id` and `kms.rp_id` are not the same")]
    RelyingParties,
    /// Nothing says what to run with.
    #[error("configuration: no file is given (--config FILE, or SUPER_RELAY_CONFIG), and `relay` or `kms` is missing")]
    NoFile,
    /// A command needs that section.
    #[error("configuration: `{0}` is missing")]
    Missing(&'static str),
    /// Something this profile does not run.
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
