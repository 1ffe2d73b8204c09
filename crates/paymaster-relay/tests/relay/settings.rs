//! Settings: what is refused, and by which name.

use paymaster_relay::catalogue::Catalogue;
use paymaster_relay::settings::WeiAmount;
use paymaster_relay::{Settings, SettingsError, check};
use serde_json::{Value, json};

fn settings() -> Value {
    json!({
        "chain": { "chain_id": 1, "rpc_url": "http://user:secret@localhost" },
        "deployments": [{
            "entry_point": "0x0000000071727De22E5E9d8BAf0edAc6f37da032",
            "version": "0.7",
            "paymaster": "0x00000000000000000000000000000000000000aa",
        }],
        "database": "relay.db",
        "policies": [{ "id": "one", "max_cost_per_operation": 1 }],
        "relay_key": { "file": "key.json", "passphrase_env": "PASSPHRASE" },
        "rp_id": "example.org",
    })
}

fn catalogue(change: impl FnOnce(&mut Value)) -> Result<Catalogue, SettingsError> {
    let mut settings = settings();
    change(&mut settings);
    Catalogue::new(&serde_json::from_value::<Settings>(settings).unwrap())
}

#[test]
fn an_unknown_key_is_refused_at_every_level() {
    for pointer in ["", "/chain", "/deployments/0", "/policies/0", "/relay_key", "/rpc", "/redis", "/accounts/0"] {
        let mut settings = settings();
        settings["rpc"] = json!({});
        settings["redis"] = json!({ "url": "redis://localhost" });
        settings["accounts"] = json!([{ "id": "alice" }]);
        serde_json::from_value::<Settings>(settings.clone()).unwrap();
        settings.pointer_mut(pointer).unwrap()["surprise"] = json!(1);
        let error = serde_json::from_value::<Settings>(settings).unwrap_err();
        assert!(error.to_string().contains("surprise"), "{pointer}: {error}");
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused_by_name() {
    assert!(catalogue(|_| {}).is_ok());
    let twice = |list: &'static str| {
        move |settings: &mut Value| {
            let first = settings[list][0].clone();
            settings[list].as_array_mut().unwrap().push(first);
        }
    };
    let duplicate =
        |key| move |error: SettingsError| matches!(error, SettingsError::Duplicate { key: k, .. } if k == key);
    assert!(duplicate("deployments")(catalogue(twice("deployments")).unwrap_err()));
    assert!(duplicate("policies")(catalogue(twice("policies")).unwrap_err()));
    let mut listed_twice = settings();
    listed_twice["accounts"] = json!([{ "id": "a" }, { "id": "a" }]);
    assert!(duplicate("accounts")(check(&serde_json::from_value(listed_twice).unwrap()).unwrap_err()));
    for list in ["deployments", "policies"] {
        let error = catalogue(|settings| settings[list] = json!([])).unwrap_err();
        assert!(matches!(error, SettingsError::Empty { key } if key == list));
    }
    for least in [0, 601] {
        let error = catalogue(|settings| settings["min_validity_seconds"] = json!(least)).unwrap_err();
        assert!(matches!(error, SettingsError::Invalid { key: "min_validity_seconds", .. }));
    }
    for most in [71, 601] {
        let unproven = json!({ "unproven_validity_seconds": most });
        let error = catalogue(|settings| settings["reservations"] = unproven).unwrap_err();
        assert!(matches!(error, SettingsError::Invalid { key: "reservations.unproven_validity_seconds", .. }));
    }
}

#[test]
fn wei_are_whole_and_not_negative_and_may_exceed_an_integer() {
    let parse = |value: Value| serde_json::from_value::<WeiAmount>(value);
    assert_eq!(parse(json!(5)).unwrap(), WeiAmount(5));
    assert_eq!(parse(json!("340282366920938463463374607431768211455")).unwrap(), WeiAmount(u128::MAX));
    for wrong in [json!(-1), json!(1.5), json!("0x1"), json!(""), json!("1 ether"), json!("-1"), json!("+1")] {
        assert!(parse(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn addresses_that_may_carry_a_key_are_not_printed() {
    let mut settings = settings();
    settings["redis"] = json!({ "url": "redis://:secret@localhost" });
    let settings: Settings = serde_json::from_value(settings).unwrap();
    assert!(!format!("{settings:?}").contains("secret@"));
}

#[test]
fn a_proxy_that_is_no_address_is_refused_by_the_name_of_its_list() {
    for (proxies, is_valid) in [(json!(["10.0.0.0/8", "::1"]), true), (json!(["10.0.0.1", "ingress"]), false)] {
        let mut settings = settings();
        settings["rpc"] = json!({ "trusted_proxies": proxies });
        let checked = check(&serde_json::from_value::<Settings>(settings).unwrap());
        assert_eq!(checked.is_ok(), is_valid, "{checked:?}");
        if let Err(error) = checked {
            assert!(error.to_string().starts_with("rpc.trusted_proxies: \"ingress\""), "{error}");
        }
    }
}

#[test]
fn the_canonical_entry_point_of_another_version_is_refused_by_both_versions() {
    for version in ["0.6", "0.8", "0.9"] {
        let error = catalogue(|settings| settings["deployments"][0]["version"] = json!(version)).unwrap_err();
        let text = error.to_string().to_lowercase();
        let expected =
            format!("0x0000000071727de22e5e9d8baf0edac6f37da032 is the entrypoint of version 0.7, not {version}");
        assert!(text.contains(&expected), "{text}");
    }
}
