//! Reads the layers and puts them together: defaults, file, environment, flags.

use std::path::PathBuf;

use config::{Environment, File, FileFormat};
use serde_json::Value;

use super::{Config, unknown};

/// The layers above the defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// `key=value`, dots between the parts of the key.
    pub overrides: Vec<String>,
}

/// Why the configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file, or a value in any layer.
    #[error("configuration: {0}")]
    Invalid(#[from] config::ConfigError),
    /// A key that nothing reads.
    #[error("configuration: unknown key `{key}`{}", nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    UnknownKey {
        /// With its sections.
        key: String,
        /// The known key most like it.
        nearest: Option<String>,
    },
    /// An override that is no `key=value`.
    #[error("configuration: `--set {0}` is not of the form key=value")]
    Override(String),
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
    /// OP-TEE is wanted, and this build has none.
    #[error("configuration: `kms.tee` is \"optee\", and this super-relay was built without it: --features optee")]
    WithoutOptee,
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

impl ConfigError {
    pub(super) fn value(key: &str, problem: impl Into<String>) -> Self {
        Self::Value { key: key.to_owned(), problem: problem.into() }
    }
}

impl Sources {
    /// The configuration, checked key by key.
    pub fn load(&self) -> Result<Config, ConfigError> {
        let merged = self.merged()?;
        unknown::refuse(&merged.clone().try_deserialize::<Value>()?)?;
        let mut config: Config = merged.try_deserialize()?;
        config.open_to_pages();
        config.check()?;
        match (&self.file, &config.relay, &config.kms) {
            (None, None, None) => Err(ConfigError::NoFile),
            _ => Ok(config),
        }
    }

    /// Whether the log is for machines, as far as that can be read of a configuration that may be wrong otherwise.
    pub fn wants_json_log(&self) -> bool {
        self.merged().is_ok_and(|merged| merged.get_string("log.format").is_ok_and(|format| format == "json"))
    }

    fn merged(&self) -> Result<config::Config, ConfigError> {
        let mut layers = config::Config::builder();
        if let Some(path) = &self.file {
            layers = layers.add_source(File::from(path.as_path()).format(FileFormat::Toml));
        }
        layers = layers.add_source(Environment::with_prefix("SUPER_RELAY").prefix_separator("__").separator("__"));
        for pair in &self.overrides {
            let (key, value) = pair.split_once('=').ok_or_else(|| ConfigError::Override(pair.clone()))?;
            layers = layers.set_override(key, value)?;
        }
        Ok(layers.build()?)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn load(toml: &str, overrides: &[&str]) -> Result<Config, ConfigError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(toml.as_bytes()).unwrap();
        let overrides = overrides.iter().map(|pair| (*pair).to_string()).collect();
        Sources { file: Some(file.path().into()), overrides }.load()
    }

    #[test]
    fn a_flag_wins_over_the_file() {
        let config = load("[log]\nfilter = \"warn\"", &["log.filter=debug"]).unwrap();
        assert_eq!(config.log.filter, "debug");
    }

    #[test]
    fn an_unknown_key_is_refused_and_the_nearest_known_one_named() {
        let error = load("[listen]\nrcp = \"127.0.0.1:1\"", &[]).unwrap_err();
        assert_eq!(error.to_string(), "configuration: unknown key `listen.rcp`; did you mean `listen.rpc`?");
    }

    #[test]
    fn an_unknown_key_inside_a_list_is_refused() {
        let error = load("[[relay.policies]]\nid = \"a\"\ntargetz = []", &[]).unwrap_err();
        assert!(
            error.to_string().contains("`relay.policies.targetz`; did you mean `relay.policies.targets`?"),
            "{error}"
        );
    }

    #[test]
    fn a_value_of_the_wrong_type_is_named_by_its_key() {
        let error = load("[listen]\nrpc = \"nowhere\"", &[]).unwrap_err();
        assert!(error.to_string().contains("listen.rpc"), "{error}");
    }

    #[test]
    fn an_override_without_a_value_is_refused() {
        assert!(matches!(load("", &["log.filter"]), Err(ConfigError::Override(_))));
    }
}
