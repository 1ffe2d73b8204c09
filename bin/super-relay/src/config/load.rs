//! Reads the layers and puts them together: defaults, file, environment, flags.

use std::path::PathBuf;

use config::{Environment, File, FileFormat};
use serde_json::Value;

use super::error::ConfigError;
use super::{Config, redacted, unknown, variables};

/// The layers above the defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// `key=value`, dots between the parts of the key.
    pub overrides: Vec<String>,
}

impl Sources {
    /// The configuration, checked key by key.
    pub fn load(&self) -> Result<Config, ConfigError> {
        variables::refuse(variables::all()?.into_keys())?;
        let merged = self.merged()?;
        unknown::refuse(&merged.clone().try_deserialize::<Value>()?)?;
        let mut config: Config = merged.try_deserialize()?;
        config.apply_profile();
        config.check()?;
        match (&self.file, &config.relay, &config.kms) {
            (None, None, None) => Err(ConfigError::NoFile),
            _ => Ok(config),
        }
    }

    /// Whether the log is for machines, as far as that can be read of a configuration that may be
    /// wrong otherwise.
    pub fn wants_json_log(&self) -> bool {
        self.merged().is_ok_and(|merged| merged.get_string("log.format").is_ok_and(|format| format == "json"))
    }

    fn merged(&self) -> Result<config::Config, ConfigError> {
        let mut layers = config::Config::builder();
        if let Some(path) = &self.file {
            if !path.exists() {
                return Err(ConfigError::FileNotFound(path.clone()));
            }
            layers = layers.add_source(File::from(path.as_path()).format(FileFormat::Toml));
        }
        let environment = Environment::with_prefix("SUPER_RELAY").prefix_separator("__").separator("__");
        layers = layers.add_source(environment.source(Some(variables::all()?)));
        for pair in &self.overrides {
            let (key, value) = pair.split_once('=').ok_or_else(|| ConfigError::Override(redacted::key_in(pair)))?;
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
    fn a_list_in_place_of_a_section_is_refused() {
        for (toml, overrides) in [("[log]\nfilter = \"warn\"", &["log[0]=debug"][..]), ("log = [\"debug\"]", &[])] {
            let error = load(toml, overrides).unwrap_err().to_string();
            assert!(error.contains("log: expected a section, and not a list"), "{error}");
        }
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
    fn a_key_of_a_section_of_a_list_is_set_by_its_number() {
        let chains = "[[relay.chains]]\nchain_id = 1\n[[relay.chains]]\nchain_id = 10";
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(chains.as_bytes()).unwrap();
        let overrides = vec!["relay.chains[1].rpc_url=http://node.example".to_owned()];
        let merged = Sources { file: Some(file.path().into()), overrides }.merged().unwrap();
        let expected = serde_json::json!([{ "chain_id": 1 }, { "chain_id": 10, "rpc_url": "http://node.example" }]);
        assert_eq!(merged.get::<Value>("relay.chains").unwrap(), expected);
    }

    #[test]
    fn an_override_without_a_value_is_refused() {
        assert!(matches!(load("", &["log.filter"]), Err(ConfigError::Override(_))));
    }
    #[test]
    fn no_error_repeats_a_value_that_may_carry_a_key() {
        const URL: &str = "http://user:hunter2@node.example/v2/hunter2";
        let broken = format!("\n[relay]\nchain = {{ chain_id = 1, rpc_url = \"{URL}\" oops }}");
        let error = load(&broken, &[]).unwrap_err().to_string();
        assert!(error.contains("line 3") && !error.contains("hunter2"), "{error}");
        let error = load(&format!("[relay]\nchain = \"{URL}\""), &[]).unwrap_err().to_string();
        assert!(error.contains("relay.chain") && !error.contains("hunter2"), "{error}");
        let error = load("", &[&format!("relay.chain.chain_id={URL}")]).unwrap_err().to_string();
        assert!(error.contains("chain_id") && !error.contains("hunter2"), "{error}");
        let factory = "kms.factory = { address = \"0x0000000000000000000000000000000000000001\"";
        let no_url = format!("kms.data_dir = \"x\"\n{factory}, rpc_url = \"http://user:hunter2@:no:port/\" }}");
        let error = load(&no_url, &[]).unwrap_err().to_string();
        assert!(error.contains("kms.factory.rpc_url: not a URL") && !error.contains("hunter2"), "{error}");
        let error = load("", &[&format!("relay.chain.rpc_url:{URL}")]).unwrap_err().to_string();
        assert!(error.contains("relay.chain.rpc_url") && !error.contains("hunter2"), "{error}");
    }

    /// A relay with these settings of its RPC.
    fn relay(profile: &str, rpc: &str) -> String {
        format!(
            r#"
            profile = "{profile}"
            remote_kms.urls = ["https://kms.example"]
            [relay]
            rp_id = "example.org"
            database = "relay.sqlite"
            chain = {{ chain_id = 1, rpc_url = "https://node.example" }}
            relay_key = {{ file = "relay-key.json", passphrase_env = "RELAY_KEY_PASSPHRASE" }}
            policies = [{{ id = "default", max_cost_per_operation = 1 }}]
            redis = {{ url = "redis://127.0.0.1" }}
            rpc = {{ require_api_key = true, {rpc} }}
            [[relay.deployments]]
            entry_point = "0x0000000071727De22E5E9d8BAf0edAc6f37da032"
            version = "0.7"
            paymaster = "0x00000000000000000000000000000000000000aa"
            "#
        )
    }

    #[test]
    fn every_page_may_call_in_development_and_none_in_production_unless_the_settings_say_which() {
        let origins = |profile, rpc| load(&relay(profile, rpc), &[]).unwrap().relay.unwrap().rpc.allowed_origins;
        assert_eq!(origins("development", ""), Some(vec!["*".to_owned()]));
        assert_eq!(origins("production", ""), None);
        let dapp = Some(vec!["https://dapp.example".to_owned()]);
        for profile in ["development", "production"] {
            assert_eq!(origins(profile, r#"allowed_origins = ["https://dapp.example"]"#), dapp, "{profile}");
            assert_eq!(origins(profile, "allowed_origins = []"), Some(Vec::new()), "{profile}");
        }
    }

    #[test]
    fn a_page_is_served_in_development_and_not_in_production_unless_the_settings_say_so() {
        let served = |profile: &str, overrides: &[&str]| {
            let relay = load(&relay(profile, ""), overrides).unwrap().relay.unwrap();
            relay.page.enabled == Some(true)
        };
        assert!(served("development", &[]));
        assert!(!served("development", &["relay.page.enabled=false"]));
        assert!(!served("production", &[]));
        let urls = ["relay.page.kms_url=https://kms.example", "relay.page.node_url=https://node.example"];
        assert!(!served("production", &urls));
        assert!(served("production", &[urls[0], urls[1], "relay.page.enabled=true"]));
    }

    #[test]
    fn code_of_accounts_has_to_be_known_and_allowances_set_in_production() {
        for (profile, expected) in [("development", (false, Some(false))), ("production", (true, None))] {
            let relay = load(&relay(profile, ""), &[]).unwrap().relay.unwrap();
            assert_eq!((relay.requires_known_code, relay.require_allowances), expected, "{profile}");
        }
    }

    #[test]
    fn timeouts_are_at_most_three_seconds_by_default() {
        let of_relay = load(&relay("development", ""), &[]).unwrap();
        let relay = of_relay.relay.unwrap();
        let factory = "{ address = \"0x0000000000000000000000000000000000000001\", rpc_url = \"http://node.example\" }";
        let of_kms = load(&format!("kms = {{ data_dir = \"data\", factory = {factory} }}"), &[]).unwrap();
        let milliseconds = [
            ("relay.chain", relay.chain.unwrap().timeout_seconds * 1000),
            ("relay.redis", relay.redis.unwrap().timeout_milliseconds),
            ("remote_kms", of_relay.remote_kms.timeout_seconds * 1000),
            ("kms.factory", of_kms.kms.unwrap().factory.unwrap().timeout_seconds * 1000),
        ];
        for (dependency, milliseconds) in milliseconds {
            assert!((1..=3000).contains(&milliseconds), "{dependency}: {milliseconds} ms");
        }
    }

    #[test]
    fn a_time_of_a_connection_is_a_day_at_most() {
        for key in ["header_seconds", "body_seconds", "serving_seconds", "idle_seconds"] {
            let error = load("", &[&format!("connections.{key}=18446744073709551615")]).unwrap_err().to_string();
            assert!(error.contains(&format!("connections.{key}: must be from 1 to 86400")), "{error}");
        }
    }
}
