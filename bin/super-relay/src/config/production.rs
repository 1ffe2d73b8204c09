//! Settings that the production profile refuses. Checked when the configuration is read, before
//! anything is started.

use kms_gateway::settings::AccountCreation;
use paymaster_relay::settings::PageSettings;
use proto::command::Protection;

use super::error::ConfigError;
use super::{Config, Profile};

/// In the production profile, refuses settings that protect nothing.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    if config.profile != Profile::Production {
        return Ok(());
    }
    let refuse = |what: &str| Err(ConfigError::Production(what.into()));
    let rp_ids = [config.relay.as_ref().map(|relay| &relay.rp_id), config.kms.as_ref().map(|kms| &kms.rp_id)];
    if rp_ids.into_iter().flatten().any(|rp_id| rp_id == "localhost") {
        return refuse("passkeys of any page on the user's own machine: set `rp_id`, which is \"localhost\"");
    }
    if let Some(kms) = &config.kms {
        if kms.tee.row().protects_nothing() {
            return refuse(
                "the TEE simulator: set `kms.tee`, or leave `kms` out and name gateways in `remote_kms.urls`",
            );
        }
        if kms.account_creation == AccountCreation::Open {
            return refuse("accounts for anyone: set `kms.account_creation`, to \"authorised\"");
        }
        if kms.required_protection.storage.0 < Protection::SecureWorld {
            return refuse("a TEE without required protection: set `kms.required_protection.storage`");
        }
        if kms.required_protection.rollback.is_none() {
            return refuse(
                "a TEE without a setting for whether it must detect an older copy of its storage: set \
                 `kms.required_protection.rollback`, to \"none\" if that is accepted",
            );
        }
        if !kms.required_protection.own_ta_key {
            return refuse(
                "the development key of trusted applications, which is public: set `kms.required_protection.own_ta_key`",
            );
        }
    }
    let pages = config.relay.iter().map(|relay| &relay.page).filter(|page| page.enabled == Some(true));
    if let Some(missing) = pages.filter_map(PageSettings::missing_in_production).next() {
        return refuse(&format!("a page that does not know where browsers reach KMS and node: set `{missing}`"));
    }
    let webhooks = config.relay.iter().flat_map(|relay| &relay.webhooks);
    if let Some(webhook) = webhooks.into_iter().find(|webhook| !webhook.is_confidential()) {
        let name = &webhook.name;
        return refuse(&format!(
            "a webhook over a network without TLS: set `relay.webhooks.url` of {name:?} to https:"
        ));
    }
    if config.bootstrap.is_some() {
        return refuse("`bootstrap`: the admin's key must not be on this machine");
    }
    if config.relay.as_ref().is_some_and(|relay| !relay.rpc.require_api_key && relay.rpc.api_key_hashes.is_empty()) {
        return refuse("an RPC without authentication: set `relay.rpc.require_api_key` or `relay.rpc.api_key_hashes`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(json: serde_json::Value) -> Config {
        serde_json::from_value(json).unwrap()
    }

    fn production() -> serde_json::Value {
        json!({
            "profile": "production",
            "remote_kms": { "urls": ["https://kms.example"] },
            "relay": {
                "chain": { "chain_id": 1, "rpc_url": "https://node.example" },
                "deployments": [],
                "database": "relay.sqlite",
                "policies": [],
                "relay_key": { "file": "relay-key.json", "passphrase_env": "RELAY_KEY_PASSPHRASE" },
                "rp_id": "example.org",
                "rpc": { "api_key_hashes": ["11".repeat(32)] },
            },
        })
    }

    fn refusal_with(section: &str, value: serde_json::Value) -> String {
        let mut json = production();
        *json.pointer_mut(section).unwrap() = value;
        check(&config(json)).unwrap_err().to_string()
    }

    #[test]
    fn production_runs_with_remote_gateways_and_authentication() {
        assert!(check(&config(production())).is_ok());
    }

    #[test]
    fn production_refuses_the_simulator() {
        let mut json = production();
        json["kms"] = json!({ "data_dir": "data", "rp_id": "example.org" });
        assert!(check(&config(json)).unwrap_err().to_string().contains("simulator"));
    }

    fn with_optee(required: serde_json::Value) -> Result<(), ConfigError> {
        let mut json = production();
        json["kms"] = json!({
            "data_dir": "data", "rp_id": "example.org", "tee": "optee", "required_protection": required,
            "account_creation": "authorised",
        });
        check(&config(json))
    }

    #[test]
    fn production_runs_a_kms_over_op_tee_that_has_to_protect_its_storage_and_be_signed_with_the_operators_key() {
        assert!(with_optee(json!({ "storage": "secureWorld", "rollback": "none", "own_ta_key": true })).is_ok());
        assert!(with_optee(json!({ "storage": "hardware", "rollback": "hardware", "own_ta_key": true })).is_ok());
        for weak in [json!({}), json!({ "own_ta_key": true }), json!({ "storage": "none", "own_ta_key": true })] {
            assert!(with_optee(weak).unwrap_err().to_string().contains("required_protection.storage"));
        }
        let unsaid = with_optee(json!({ "storage": "hardware", "own_ta_key": true })).unwrap_err().to_string();
        assert!(unsaid.contains("required_protection.rollback"), "{unsaid}");
        let any_key = with_optee(json!({ "storage": "hardware", "rollback": "hardware" })).unwrap_err().to_string();
        assert!(any_key.contains("own_ta_key"), "{any_key}");
    }

    #[test]
    fn production_refuses_accounts_for_anyone() {
        let mut json = production();
        json["kms"] = json!({ "data_dir": "data", "rp_id": "example.org", "tee": "optee" });
        assert!(check(&config(json.clone())).unwrap_err().to_string().contains("kms.account_creation"));
        json["kms"]["account_creation"] = "open".into();
        assert!(check(&config(json)).unwrap_err().to_string().contains("kms.account_creation"));
    }

    #[test]
    fn production_refuses_passkeys_of_localhost_in_relay_and_kms() {
        assert!(refusal_with("/relay/rp_id", json!("localhost")).contains("rp_id"));
        let mut json = production();
        json["kms"] = json!({ "data_dir": "data", "tee": "optee" });
        assert!(check(&config(json)).unwrap_err().to_string().contains("rp_id"));
    }

    #[test]
    fn production_refuses_an_rpc_without_authentication() {
        assert!(refusal_with("/relay/rpc/api_key_hashes", json!([])).contains("authentication"));
        let mut json = production();
        json["relay"]["rpc"] = json!({ "require_api_key": true });
        assert!(check(&config(json)).is_ok());
    }

    #[test]
    fn production_serves_a_page_only_if_told_to_and_where_browsers_reach_its_hosts() {
        let mut json = production();
        let mut of = |page: serde_json::Value| {
            json["relay"]["page"] = page;
            check(&config(json.clone()))
        };
        assert!(of(json!({})).is_ok());
        assert!(of(json!({ "enabled": false })).is_ok());
        let (kms, node) = ("https://kms.example", "https://node.example");
        for (page, missing) in [
            (json!({ "enabled": true }), "relay.page.kms_url"),
            (json!({ "enabled": true, "node_url": node }), "relay.page.kms_url"),
            (json!({ "enabled": true, "kms_url": kms }), "relay.page.node_url"),
        ] {
            assert!(of(page).unwrap_err().to_string().contains(missing), "{missing}");
        }
        assert!(of(json!({ "enabled": true, "kms_url": kms, "node_url": node })).is_ok());
    }

    #[test]
    fn production_refuses_a_webhook_without_tls_except_on_this_machine() {
        let mut json = production();
        for (url, is_taken) in [
            ("https://hook.example", true),
            ("http://127.0.0.1:8080", true),
            ("http://localhost:8080", true),
            ("http://[::1]:8080", true),
            ("http://hook.example", false),
            ("http://10.0.0.1", false),
            ("http://localhost.example", false),
        ] {
            json["relay"]["webhooks"] = json!([{ "name": "crm", "url": url, "secrets": [{ "env": "CRM" }] }]);
            let outcome = check(&config(json.clone()));
            assert_eq!(outcome.is_ok(), is_taken, "{url}");
            assert!(outcome.err().is_none_or(|error| error.to_string().contains("relay.webhooks.url")), "{url}");
        }
    }

    #[test]
    fn production_refuses_an_admin_key_on_the_machine() {
        let mut json = production();
        json["bootstrap"] = json!({ "admin_key_file": "admin.key" });
        assert!(check(&config(json)).unwrap_err().to_string().contains("bootstrap"));
    }

    #[test]
    fn development_may_run_all_of_it() {
        let mut json = production();
        json["profile"] = json!("development");
        json["kms"] = json!({ "data_dir": "data" });
        assert!(check(&config(json)).is_ok());
    }
}
