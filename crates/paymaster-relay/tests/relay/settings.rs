//! Refused settings, and the names in the errors.

use paymaster_relay::catalogue::{Catalogue, ChainCatalogue, Offer, PolicySet};
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
    for pointer in [
        "",
        "/chain",
        "/bundler",
        "/deployments/0",
        "/policies/0",
        "/relay_key",
        "/rpc",
        "/redis",
        "/accounts/0",
        "/webhooks/0",
        "/webhooks/0/secrets/0",
    ] {
        let mut settings = settings();
        settings["rpc"] = json!({});
        settings["redis"] = json!({ "url": "redis://localhost" });
        settings["bundler"] = json!({ "urls": ["http://localhost"] });
        settings["accounts"] = json!([{ "id": "alice" }]);
        settings["webhooks"] = json!([{ "name": "crm", "url": "http://localhost", "secrets": [{ "env": "CRM" }] }]);
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
    settings["bundler"] = json!({ "urls": ["http://:secret@localhost"] });
    let settings: Settings = serde_json::from_value(settings).unwrap();
    assert!(!format!("{settings:?}").contains("secret@"));
}

#[test]
fn the_bundlers_of_several_chains_are_listed_with_each() {
    let bundler = json!({ "urls": ["http://localhost", "nowhere"] });
    let mut settings = of_two_chains();
    settings["bundler"] = bundler.clone();
    let error = checked(&settings).unwrap_err();
    assert!(error.starts_with("bundler: with several chains"), "{error}");
    let mut settings = of_two_chains();
    settings["chains"][1]["bundler"] = bundler;
    assert_eq!(checked(&settings).unwrap_err(), "chains.bundler.urls: chain 10: number 2: not a URL");
}

#[test]
fn a_policy_that_simulates_needs_a_bundler_on_each_of_its_chains() {
    let bundler = json!({ "urls": ["http://localhost"] });
    let mut one = settings();
    one["policies"][0]["simulate"] = json!(true);
    let expected = "policies.simulate: policy \"one\" simulates operations through a bundler: set ";
    assert_eq!(checked(&one), Err(format!("{expected}bundler.urls")));
    one["bundler"] = bundler.clone();
    assert_eq!(checked(&one), Ok(()));

    let mut two = of_two_chains();
    two["policies"][0]["simulate"] = json!(true);
    two["chains"][0]["bundler"] = bundler;
    assert_eq!(checked(&two), Err(format!("{expected}chains.bundler.urls of chain 10")));
    let everywhere = two["policies"][0].clone();
    two["policies"] = json!([everywhere, { "id": "two", "max_cost_per_operation": 1 }]);
    two["policies"][0]["chain_ids"] = json!([1]);
    assert_eq!(checked(&two), Ok(()));
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

/// The settings with two chains, 1 and 10, on which the contracts have the same addresses.
fn of_two_chains() -> Value {
    let mut settings = settings();
    let here = settings.as_object_mut().unwrap().remove("chain").unwrap();
    let mut there = here.clone();
    there["chain_id"] = json!(10);
    settings["chains"] = json!([here, there]);
    let mut deployment = settings["deployments"][0].clone();
    settings["deployments"][0]["chain_id"] = json!(1);
    deployment["chain_id"] = json!(10);
    settings["deployments"].as_array_mut().unwrap().push(deployment);
    settings
}

fn checked(settings: &Value) -> Result<(), String> {
    let settings = serde_json::from_value::<Settings>(settings.clone()).unwrap();
    check(&settings).map_err(|error| error.to_string())
}

#[test]
fn the_same_addresses_on_two_chains_are_two_deployments() {
    let mut two = of_two_chains();
    assert_eq!(checked(&two), Ok(()));
    two["policies"] = json!([
        { "id": "ten", "max_cost_per_operation": 2, "chain_ids": [10] },
        { "id": "all", "max_cost_per_operation": 1 },
    ]);
    let catalogue = Catalogue::new(&serde_json::from_value(two).unwrap()).unwrap();
    let [one, ten] = catalogue.chains() else { panic!("two chains") };
    let ids = |chain: &ChainCatalogue| chain.policies().iter().map(|policy| policy.id().to_owned()).collect::<Vec<_>>();
    assert_eq!((one.id, ids(one), one.largest_cost().0), (1, vec!["all".to_owned()], 1));
    assert_eq!((ten.id, ids(ten), ten.largest_cost().0), (10, vec!["ten".to_owned(), "all".to_owned()], 2));
    assert_eq!(one.entry_points(), ten.entry_points());
    assert_eq!(catalogue.deployments().map(|deployment| deployment.entry_point.chain_id).collect::<Vec<_>>(), [1, 10]);
}

#[test]
fn one_chain_may_be_written_either_way_and_deployments_need_not_name_it() {
    let mut one = settings();
    assert_eq!(checked(&one), Ok(()));
    one["deployments"][0]["chain_id"] = json!(1);
    one["policies"][0]["chain_ids"] = json!([1]);
    assert_eq!(checked(&one), Ok(()));
    let chain = one.as_object_mut().unwrap().remove("chain").unwrap();
    one["chains"] = json!([chain]);
    one["deployments"][0].as_object_mut().unwrap().remove("chain_id");
    assert_eq!(checked(&one), Ok(()));
}

#[test]
fn a_policy_that_could_sponsor_nothing_is_refused_by_the_name_of_its_rule() {
    let functions = |list: Value| json!({ "targets": [{ "address": "0x00000000000000000000000000000000000000aa", "functions": list }] });
    let transfer = |condition: Value| {
        let conditions: Vec<_> = [condition].into_iter().filter(|condition| !condition.is_null()).collect();
        json!({ "signature": "transfer(address,uint256)", "conditions": conditions })
    };
    for (change, expected) in [
        (json!({ "max_fee_percent": 99 }), "policies.max_fee_percent: policy \"one\": must be at least 100"),
        (
            json!({ "max_priority_fee_percent": 0 }),
            "policies.max_priority_fee_percent: policy \"one\": must be at least 100",
        ),
        (
            json!({ "not_before": "2026-01-01T00:00:00Z", "not_after": "2026-01-01T00:00:00Z" }),
            "policies.not_after: policy \"one\": must be later than not_before",
        ),
        (
            json!({ "origins": ["missing", "https://dapp.example/"] }),
            "policies.origins: policy \"one\": \"https://dapp.example/\" is not an origin: expected \
             scheme://host[:port] without a path, scheme://*, null, missing or *",
        ),
        (
            json!({ "api_keys": ["srk_a"] }),
            "policies.api_keys: policy \"one\": one of 5 characters is no id: list ids, not keys",
        ),
        (
            json!({ "shadow": ["senders", "not_before"] }),
            "policies.shadow: policy \"one\": \"not_before\" is not one of the rules that can be in shadow: ",
        ),
        (
            json!({ "shadow": ["max_cost_per_operation"] }),
            "policies.shadow: policy \"one\": \"max_cost_per_operation\" is not one of the rules that can be in shadow: ",
        ),
        (
            functions(json!([{ "signature": "transfer(address,uint)" }])),
            "policies.targets.functions: policy \"one\": signature \"transfer(address,uint)\": \"uint\" is no type; ",
        ),
        (
            functions(json!([transfer(json!({ "argument": 2, "equal": "1" }))])),
            "policies.targets.functions: policy \"one\": transfer(address,uint256): there is no argument 2: the signature \
             has 2, counted from 0",
        ),
        (
            functions(json!([transfer(json!({ "argument": 0, "at_most": 5 }))])),
            "policies.targets.functions: policy \"one\": transfer(address,uint256): argument 0: at_most needs a number",
        ),
        (
            functions(json!([transfer(json!({ "argument": 1, "equal": 1, "at_most": 5 }))])),
            "policies.targets.functions: policy \"one\": transfer(address,uint256): argument 1: set one of equal, ",
        ),
        (
            functions(json!([transfer(json!({ "argument": 1, "at_most": "1 ether" }))])),
            "policies.targets.functions: policy \"one\": transfer(address,uint256): argument 1: \"1 ether\" is not a \
             number of uint256",
        ),
        (
            functions(json!([transfer(Value::Null), transfer(Value::Null)])),
            "policies.targets.functions: policy \"one\": transfer(address,uint256) of \
             0x00000000000000000000000000000000000000AA is listed twice",
        ),
        (
            json!({ "validity_seconds": 71 }),
            "policies.validity_seconds: policy \"one\": must be from 72 (min_validity_seconds and block_seconds \
             together) to 600 (relay.validity_seconds)",
        ),
        (
            json!({ "validity_seconds": 601 }),
            "policies.validity_seconds: policy \"one\": must be from 72 (min_validity_seconds and block_seconds \
             together) to 600 (relay.validity_seconds)",
        ),
    ] {
        let mut one = settings();
        one["policies"][0].as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refused = checked(&one).unwrap_err();
        assert!(refused.starts_with(expected), "{refused}");
    }
}

#[test]
fn a_time_that_is_none_is_refused_with_the_form_that_is_expected() {
    let mut one = settings();
    one["policies"][0]["not_after"] = json!("2026-12-01");
    let error = serde_json::from_value::<Settings>(one).unwrap_err().to_string();
    assert!(error.contains("2026-12-01") && error.contains("in the form of 2026-12-31T23:59:59Z"), "{error}");
}

#[test]
fn chains_that_contradict_each_other_are_refused_by_name() {
    type Change = fn(&mut Value);
    let refusals: [(Change, &str); 14] = [
        (
            |all| drop(all.as_object_mut().unwrap().remove("chains")),
            "chain: missing: set [relay.chain], or [[relay.chains]] for several",
        ),
        (|all| all["chain"] = all["chains"][0].clone(), "chains: chain is set too: list every chain in chains"),
        (|all| all["chains"][1]["chain_id"] = json!(1), "chains: duplicate 1"),
        (
            |all| all["chains"][1]["chain_id"] = json!(0),
            "chains.chain_id: chain 0: must be from 1 to 9223372036854775807",
        ),
        (|all| all["chains"][1]["rpc_url"] = json!("nowhere"), "chains.rpc_url: chain 10: not a URL"),
        (|all| all["chains"][1]["timeout_seconds"] = json!(0), "chains.timeout_seconds: chain 10: must be above 0"),
        (
            |all| all["chains"][1]["confirmations"] = json!(100_001),
            "chains.confirmations: chain 10: must be at most 100000",
        ),
        (
            |all| all["chains"][1]["block_seconds"] = json!(600),
            "min_validity_seconds: must be above 0, and with chains.block_seconds of chain 10 (600) not above \
             validity_seconds (600)",
        ),
        (
            |all| drop(all["deployments"][1].as_object_mut().unwrap().remove("chain_id")),
            "deployments.chain_id: missing for the paymaster 0x00000000000000000000000000000000000000AA: there are \
             several chains, 1, 10",
        ),
        (
            |all| all["deployments"][1]["chain_id"] = json!(8453),
            "deployments.chain_id: 8453 is not one of the chains: 1, 10",
        ),
        (
            |all| all["deployments"][1]["chain_id"] = json!(1),
            "deployments: duplicate 0x0000000071727De22E5E9d8BAf0edAc6f37da032 on chain 1",
        ),
        (|all| drop(all["deployments"].as_array_mut().unwrap().pop()), "deployments: none is for chain 10"),
        (
            |all| all["policies"][0]["chain_ids"] = json!([10, 8453]),
            "policies.chain_ids: 8453 is not one of the chains: 1, 10",
        ),
        (|all| all["policies"][0]["chain_ids"] = json!([10]), "policies: none is for chain 1"),
    ];
    for (change, expected) in refusals {
        let mut two = of_two_chains();
        change(&mut two);
        assert_eq!(checked(&two), Err(expected.to_owned()));
    }
}

#[test]
fn more_deployments_than_the_tee_takes_are_refused_by_the_limit() {
    let mut many = of_two_chains();
    let with = |many: &mut Value, count: usize| {
        let sample = many["deployments"][0].clone();
        let listed = (0..count).map(|number| {
            let mut deployment = sample.clone();
            deployment["entry_point"] = json!(format!("0x{number:040x}"));
            deployment["chain_id"] = json!(if number % 2 == 0 { 1 } else { 10 });
            deployment
        });
        many["deployments"] = listed.collect();
    };
    with(&mut many, 64);
    assert_eq!(checked(&many), Ok(()));
    with(&mut many, 65);
    let expected = "deployments: 65 are listed, and the ceilings of a TEE name at most 64";
    assert_eq!(checked(&many), Err(expected.to_owned()));
}

#[test]
fn webhooks_that_cannot_work_are_refused_by_name() {
    let with = |change: fn(&mut Value)| {
        let mut all = settings();
        all["webhooks"] = json!([{ "name": "crm", "url": "https://crm.example", "secrets": [{ "env": "CRM" }] }]);
        all["policies"][0]["webhook"] = "crm".into();
        change(&mut all);
        checked(&all)
    };
    assert_eq!(with(|_| ()), Ok(()));
    assert_eq!(with(|all| all["webhooks"][0]["secrets"] = json!([{ "env": "CRM" }, { "file": "old" }])), Ok(()));
    type Change = fn(&mut Value);
    let refusals: [(Change, &str); 14] = [
        (
            |all| all["policies"][0]["webhook"] = "erp".into(),
            "policies.webhook: policy \"one\": \"erp\" is none of relay.webhooks",
        ),
        (
            |all| all["webhooks"] = json!([all["webhooks"][0].clone(), all["webhooks"][0].clone()]),
            "webhooks.name: duplicate crm",
        ),
        (
            |all| all["webhooks"][0]["name"] = "a b".into(),
            "webhooks.name: webhook \"a b\": must be 1 to 64 letters, digits, - or _",
        ),
        (|all| all["webhooks"][0]["url"] = "nowhere".into(), "webhooks.url: webhook \"crm\": not a URL"),
        (
            |all| all["webhooks"][0]["url"] = "ftp://crm.example".into(),
            "webhooks.url: webhook \"crm\": must be http: or https:",
        ),
        (
            |all| all["webhooks"][0]["url"] = "https://user:hush@crm.example".into(),
            "webhooks.url: webhook \"crm\": must have no user or password: requests are signed",
        ),
        (
            |all| all["webhooks"][0]["secrets"] = json!([]),
            "webhooks.secrets: webhook \"crm\": one is needed, and two while it is changed",
        ),
        (
            |all| all["webhooks"][0]["secrets"] = json!([{ "env": "A" }, { "env": "B" }, { "env": "C" }]),
            "webhooks.secrets: webhook \"crm\": one is needed, and two while it is changed",
        ),
        (
            |all| all["webhooks"][0]["secrets"] = json!([{}]),
            "webhooks.secrets: webhook \"crm\": each needs one of file and env",
        ),
        (
            |all| all["webhooks"][0]["secrets"] = json!([{ "env": "CRM", "file": "crm" }]),
            "webhooks.secrets: webhook \"crm\": each needs one of file and env",
        ),
        (
            |all| all["webhooks"][0]["timeout_milliseconds"] = json!(0),
            "webhooks.timeout_milliseconds: webhook \"crm\": is 0, and must be from 1 to 20000",
        ),
        (
            |all| all["webhooks"][0]["retries"] = json!(11),
            "webhooks.retries: webhook \"crm\": is 11, and must be from 0 to 10",
        ),
        (
            |all| all["webhooks"][0]["max_calls"] = json!(1),
            "webhooks.max_calls: webhook \"crm\": is 1, and must be from 2 to 1024",
        ),
        (
            |all| all["webhooks"][0]["deliver_for_seconds"] = json!(59),
            "webhooks.deliver_for_seconds: webhook \"crm\": is 59, and must be from 60 to 2592000",
        ),
    ];
    for (change, expected) in refusals {
        assert_eq!(with(change), Err(expected.to_owned()));
    }
}

#[test]
fn account_code_that_would_be_ignored_or_is_none_is_refused() {
    let target = json!([{ "address": "0x00000000000000000000000000000000000000aa" }]);
    let code = |hash: &str| json!([{ "code_hash": hash, "functions": "simple_account_v07" }]);
    let some = format!("0x{}", "11".repeat(32));
    // Keccak-256 of nothing.
    let none = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
    for (policy, refused) in [
        (json!({ "targets": target, "account_codes": code(&some), "account_proxies": [some] }), None),
        (json!({ "account_codes": code(&some), "account_proxies": [some] }), None),
        (json!({ "targets": target, "any_account_code": true }), None),
        (
            json!({ "targets": target, "any_account_code": true, "account_codes": code(&some) }),
            Some("policies.any_account_code"),
        ),
        (
            json!({ "targets": target, "any_account_code": true, "account_proxies": [some] }),
            Some("policies.any_account_code"),
        ),
        (json!({ "account_proxies": [some] }), Some("policies.account_proxies")),
        (json!({ "targets": target, "account_codes": code(none) }), Some("policies.account_codes")),
        (json!({ "targets": target, "account_proxies": [none] }), Some("policies.account_codes")),
    ] {
        let checked = catalogue(|settings| {
            settings["policies"][0].as_object_mut().unwrap().extend(policy.as_object().unwrap().clone());
        });
        match (checked, refused) {
            (Ok(_), None) => {}
            (Err(SettingsError::Invalid { key, .. }), Some(expected)) => assert_eq!(key, expected),
            (checked, _) => panic!("{policy}: {:?}", checked.err()),
        }
    }
}

#[test]
fn where_code_has_to_be_known_a_policy_with_targets_and_any_code_lists_senders() {
    let target = json!([{ "address": "0x00000000000000000000000000000000000000aa" }]);
    let sender = json!(["0x00000000000000000000000000000000000000bb"]);
    for (policy, required, is_refused) in [
        (json!({ "targets": target, "any_account_code": true }), true, true),
        (json!({ "targets": target, "any_account_code": true }), false, false),
        (json!({ "targets": target, "any_account_code": true, "senders": sender }), true, false),
        (json!({ "targets": target }), true, false),
        (json!({ "any_account_code": true }), true, false),
    ] {
        let mut all = settings();
        all["policies"][0].as_object_mut().unwrap().extend(policy.as_object().unwrap().clone());
        let mut all: Settings = serde_json::from_value(all).unwrap();
        all.requires_known_code = required;
        // As an operator applies it to the running node.
        let offered = all.policies.iter().cloned().map(Offer::enabled).collect::<Vec<_>>();
        let checked = PolicySet::new(&all, offered);
        match (checked, is_refused) {
            (Ok(_), false) | (Err(SettingsError::Invalid { key: "policies.any_account_code", .. }), true) => {}
            (checked, _) => panic!("{policy}: {:?}", checked.err()),
        }
    }
}
