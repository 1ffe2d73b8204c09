//! Requests without a passkey: sponsored if the policy allows it, and charged only to their API
//! key.

use std::sync::atomic::Ordering;

use devkit::EntryPointVersion::{V07, V09};
use paymaster_relay::clients::{KeyKind, NewApiKey, Origins};
use paymaster_relay::ports::Clock;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{ACCOUNT, Refusal, World};

const ETHER: u128 = 10u128.pow(18);
const KEYS: [&str; 2] = ["one", "two"];
/// Gas 150,000 + 500,000 + 60,000 + 60,000 at 4 gwei ([`devkit::user_operation::Draft`]).
const COST: u128 = 770_000 * 4_000_000_000;

/// A relay whose policy and TEE allow it.
async fn permitted(change: impl FnOnce(&mut Value)) -> World {
    permitted_with(ETHER, change).await
}

/// The same with a deposit in wei.
async fn permitted_with(deposit: u128, change: impl FnOnce(&mut Value)) -> World {
    let world = World::with(V07, deposit, |settings| {
        settings["policies"][0]["allow_without_passkey"] = json!(true);
        change(settings);
    })
    .await;
    world.permit_without_passkey().await;
    world
}

fn with_keys(settings: &mut Value) {
    let hash = |key: &&str| hex::encode(Sha256::digest(key));
    settings["rpc"] = json!({ "api_key_hashes": KEYS.iter().map(hash).collect::<Vec<_>>() });
}

async fn publishable(world: &World) -> String {
    generated(world, KeyKind::Publishable, Origins::any()).await
}

async fn generated(world: &World, kind: KeyKind, origins: Origins) -> String {
    let new = NewApiKey {
        label: "dapp".to_owned(),
        kind,
        scopes: Vec::new(),
        policies: vec!["default".to_owned()],
        origins,
        rate: None,
        quota: None,
        valid_for_seconds: None,
    };
    world.api_keys.generate(new).await.unwrap().1.expose_secret().to_owned()
}

/// Calls with an API key.
async fn ask(world: &World, key: &str, method: &str, params: Value) -> Result<Value, Refusal> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let response = world.client.post(body, &[("authorization", &format!("Bearer {key}"))]).await;
    let answer: Value = response.json().await.unwrap();
    match answer.get("error") {
        Some(error) => Err(Refusal::of(error)),
        None => Ok(answer["result"].clone()),
    }
}

#[tokio::test]
async fn an_account_of_the_tee_is_refused_without_its_passkey_by_any_method() {
    let world = permitted(|_| {}).await;
    let op = world.dapp(ACCOUNT).await.first_op(0);
    let context = json!([op, world.entry_point(), "0x7a69", { "accountId": ACCOUNT }]);
    for (method, params) in [("pm_sponsor_with_tee", json!([op, ACCOUNT, null])), ("pm_getPaymasterData", context)] {
        let refusal = world.client.call(method, params).await.unwrap_err();
        refusal.assert_is(-32507, "account_needs_passkey", false);
        assert_eq!(refusal.data["accountId"], ACCOUNT);
    }
    assert_eq!((world.reserved().await, world.sponsorships()), (0, 0));
    // Without a named account, the sender is the account.
    let params = json!([op, world.entry_point(), "0x7a69", null]);
    world.client.call("pm_getPaymasterData", params).await.unwrap();
}

#[tokio::test]
async fn an_approval_by_another_passkey_reserves_nothing_and_costs_the_tee_nothing() {
    let world = World::with(V07, ETHER, |settings| settings["reservations"]["max_per_account"] = json!(1)).await;
    let mut alice = world.dapp(ACCOUNT).await;
    let mut mallory = world.dapp("mallory").await;
    let op = alice.first_op(0);
    let challenge = world.intent(&alice, &op).await["webauthn"]["challenge"].clone();
    let by_mallory = mallory.passkey.assert(&json!({ "challenge": challenge, "rpId": "example.org" })).unwrap();
    let mut in_alices_name = by_mallory.clone();
    let by_alice = world.approval(&mut alice, &op).await;
    for field in ["id", "rawId"] {
        in_alices_name[field] = by_alice[field].clone();
    }
    let mut unverified = by_alice.clone();
    unverified["response"]["authenticatorData"] = json!("AAAA");
    for (passkey, reason) in [
        (by_mallory, "credential_unknown"),
        (in_alices_name, "passkey_signature_invalid"),
        (unverified, "authenticator_data_malformed"),
    ] {
        let refusal = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey])).await.unwrap_err();
        refusal.assert_is(-32507, reason, false);
    }
    let counted: i64 = sqlx::query_scalar("SELECT count(*) FROM sponsorships")
        .fetch_one(&world.store.database().pool())
        .await
        .unwrap();
    assert_eq!((counted, world.sponsorships()), (0, 0));
    world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, by_alice])).await.unwrap();
}

#[tokio::test]
async fn everything_unproven_shares_a_fraction_of_the_deposit_and_leaves_the_rest_to_passkeys() {
    let world = permitted_with(40 * COST, |settings| {
        settings["reservations"]["max_percent_unproven_per_caller"] = json!(100);
        with_keys(settings);
    })
    .await;
    let mut dapp = world.dapp(ACCOUNT).await;
    // 10 percent of 40, whichever key is used and whatever account is named.
    for key in 0..4 {
        let params = json!([dapp.first_op(key), format!("made-up-{key}"), null]);
        ask(&world, KEYS[usize::from(key % 2 == 0)], "pm_sponsor_with_tee", params).await.unwrap();
    }
    for key in KEYS {
        let params = json!([dapp.first_op(9), "another", null]);
        let refusal = ask(&world, key, "pm_sponsor_with_tee", params).await.unwrap_err();
        refusal.assert_is(-32501, "unproven_reservations_exceeded", true);
        assert_eq!(refusal.data["rule"], "reservations.max_percent_unproven");
        assert_eq!((&refusal.data["limit"], &refusal.data["used"]), (&json!("10"), &Value::Null));
    }
    assert_eq!(world.reserved().await, 4 * COST);

    let op = dapp.first_op(10);
    let intent = ask(&world, KEYS[0], "pm_getSponsorshipIntent", json!([op, ACCOUNT])).await.unwrap();
    let passkey = dapp.passkey.assert(&intent["webauthn"]).unwrap();
    ask(&world, KEYS[0], "pm_sponsor_with_tee", json!([op, ACCOUNT, passkey])).await.unwrap();
}

#[tokio::test]
async fn one_api_key_has_a_quarter_of_what_is_unproven_and_leaves_the_others_theirs() {
    let world = permitted_with(100 * COST, with_keys).await;
    let dapp = world.dapp(ACCOUNT).await;
    // A quarter of 10 percent of 100, rounded up.
    for key in 0..3 {
        let params = json!([dapp.first_op(key), format!("made-up-{key}"), null]);
        ask(&world, KEYS[0], "pm_sponsor_with_tee", params).await.unwrap();
    }
    let params = json!([dapp.first_op(3), "another", null]);
    let refusal = ask(&world, KEYS[0], "pm_sponsor_with_tee", params.clone()).await.unwrap_err();
    refusal.assert_is(-32501, "unproven_reservations_exceeded", true);
    assert_eq!(refusal.data["rule"], "reservations.max_percent_unproven_per_caller");
    assert_eq!((&refusal.data["limit"], &refusal.data["used"]), (&json!("3"), &Value::Null));
    ask(&world, KEYS[1], "pm_sponsor_with_tee", params).await.unwrap();
}

#[tokio::test]
async fn everybody_without_an_api_key_is_one_caller() {
    let world = permitted(|settings| settings["reservations"]["max_unproven_per_caller"] = json!(2)).await;
    let key = publishable(&world).await;
    let dapp = world.dapp(ACCOUNT).await;
    let params = |key: u64| json!([dapp.first_op(key), format!("made-up-{key}"), null]);
    for key in 0..2 {
        world.client.call("pm_sponsor_with_tee", params(key)).await.unwrap();
    }
    let refusal = world.client.call("pm_sponsor_with_tee", params(2)).await.unwrap_err();
    refusal.assert_is(-32501, "unproven_reservations_exceeded", true);
    assert_eq!(refusal.data["rule"], "reservations.max_unproven_per_caller");
    assert_eq!((&refusal.data["limit"], &refusal.data["used"]), (&json!("2"), &json!("2")));
    ask(&world, &key, "pm_sponsor_with_tee", params(2)).await.unwrap();
}

#[tokio::test]
async fn publishable_keys_and_nobody_leave_half_of_what_is_unproven_to_servers() {
    let world = permitted(|settings| {
        settings["reservations"] = json!({ "max_unproven": 4, "max_unproven_per_caller": 4 });
    })
    .await;
    let pages = [publishable(&world).await, publishable(&world).await];
    let server = generated(&world, KeyKind::Server, Origins::default()).await;
    let dapp = world.dapp(ACCOUNT).await;
    let params = |key: u64| json!([dapp.first_op(key), format!("made-up-{key}"), null]);
    ask(&world, &pages[0], "pm_sponsor_with_tee", params(0)).await.unwrap();
    world.client.call("pm_sponsor_with_tee", params(1)).await.unwrap();
    let by_page = ask(&world, &pages[1], "pm_sponsor_with_tee", params(2)).await;
    let by_nobody = world.client.call("pm_sponsor_with_tee", params(2)).await;
    for refusal in [by_page.unwrap_err(), by_nobody.unwrap_err()] {
        refusal.assert_is(-32501, "unproven_reservations_exceeded", true);
        assert_eq!(refusal.data["rule"], "reservations.max_unproven_public");
    }
    for key in 2..4 {
        ask(&world, &server, "pm_sponsor_with_tee", params(key)).await.unwrap();
    }
    let refusal = ask(&world, &server, "pm_sponsor_with_tee", params(4)).await.unwrap_err();
    assert_eq!(refusal.data["rule"], "reservations.max_unproven");
}

#[tokio::test]
async fn a_sender_that_anyone_can_name_cannot_be_locked_out() {
    let world = permitted(|settings| settings["reservations"]["max_per_account"] = json!(1)).await;
    let key = publishable(&world).await;
    let dapp = world.dapp(ACCOUNT).await;
    let sender = dapp.sender.to_string().to_lowercase();
    let params = |key: u64| json!([dapp.first_op(key), sender, null]);
    for op in 0..2 {
        ask(&world, &key, "pm_sponsor_with_tee", params(op)).await.unwrap();
        world.client.call("pm_sponsor_with_tee", params(op)).await.unwrap();
    }
}

#[tokio::test]
async fn the_caps_and_idempotency_keys_of_an_account_need_its_passkey() {
    let world = permitted(|settings| {
        settings["reservations"] = json!({ "max_per_account": 2, "max_percent_unproven": 100 });
        with_keys(settings);
    })
    .await;
    let mut dapp = world.dapp(ACCOUNT).await;
    // Uses the sender of an account in the TEE, until the key has reached its limit for that
    // sender.
    let options = |name: String| json!({ "idempotencyKey": name });
    let sender = dapp.sender.to_string().to_lowercase();
    for key in 0..3 {
        let params = json!([dapp.first_op(key), sender, null, options(format!("order-{key}"))]);
        let answer = ask(&world, KEYS[0], "pm_sponsor_with_tee", params).await;
        match key {
            0 | 1 => assert!(answer.is_ok(), "{answer:?}"),
            _ => answer.unwrap_err().assert_is(-32501, "account_reservations_exceeded", true),
        }
    }
    // Another key has its own limits and names, for the very same operations.
    for key in 0..2 {
        let params = json!([dapp.first_op(key), sender, null, options(format!("order-{key}"))]);
        ask(&world, KEYS[1], "pm_sponsor_with_tee", params).await.unwrap();
    }
    let params = json!([dapp.first_op(5), "somebody-else", null, options("order-0".to_owned())]);
    let refusal = ask(&world, KEYS[1], "pm_sponsor_with_tee", params).await.unwrap_err();
    refusal.assert_is(-32602, "idempotency_conflict", true);

    // So does the account itself.
    for key in 0..2 {
        let op = dapp.first_op(key);
        let intent = ask(&world, KEYS[0], "pm_getSponsorshipIntent", json!([op, ACCOUNT])).await.unwrap();
        let passkey = dapp.passkey.assert(&intent["webauthn"]).unwrap();
        let params = json!([op, ACCOUNT, passkey, options(format!("order-{key}"))]);
        ask(&world, KEYS[0], "pm_sponsor_with_tee", params).await.unwrap();
    }
}

#[tokio::test]
async fn where_anybody_asks_an_idempotency_key_is_its_senders_and_where_a_server_asks_the_servers() {
    let world = permitted(|settings| {
        settings["reservations"] = json!({ "max_percent_unproven": 100 });
        with_keys(settings);
    })
    .await;
    let page = publishable(&world).await;
    let (mallory, alice) = (world.dapp("mallory").await, world.dapp("alice").await);
    let params = |op: &Value| json!([op, "shop-customer", null, { "idempotencyKey": "order-1" }]);

    for op in [mallory.first_op(0), alice.first_op(0)] {
        ask(&world, &page, "pm_sponsor_with_tee", params(&op)).await.unwrap();
    }
    let again = ask(&world, &page, "pm_sponsor_with_tee", params(&alice.first_op(1))).await.unwrap_err();
    again.assert_is(-32602, "idempotency_conflict", true);

    ask(&world, KEYS[0], "pm_sponsor_with_tee", params(&mallory.first_op(0))).await.unwrap();
    let refusal = ask(&world, KEYS[0], "pm_sponsor_with_tee", params(&alice.first_op(0))).await.unwrap_err();
    refusal.assert_is(-32602, "idempotency_conflict", true);
}

#[tokio::test]
async fn without_an_api_key_an_idempotency_key_is_its_senders() {
    let world = permitted(|settings| settings["reservations"] = json!({ "max_percent_unproven": 100 })).await;
    let (mallory, alice) = (world.dapp("mallory").await, world.dapp("alice").await);
    let context = json!({ "idempotencyKey": "order-1" });
    let params = |op: Value| json!([op, world.entry_point(), "0x7a69", context]);
    for op in [mallory.first_op(0), alice.first_op(0)] {
        world.client.call("pm_getPaymasterData", params(op)).await.unwrap();
    }
    let again = world.client.call("pm_getPaymasterData", params(alice.first_op(1))).await.unwrap_err();
    again.assert_is(-32602, "idempotency_conflict", true);
}

#[tokio::test]
async fn an_api_key_is_charged_for_whatever_it_presents() {
    let world = permitted(|settings| {
        settings["reservations"] = json!({ "max_per_api_key": 2, "max_percent_unproven": 100 });
        with_keys(settings);
    })
    .await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let intent = ask(&world, KEYS[0], "pm_getSponsorshipIntent", json!([op, ACCOUNT])).await.unwrap();
    let passkey = dapp.passkey.assert(&intent["webauthn"]).unwrap();
    ask(&world, KEYS[0], "pm_sponsor_with_tee", json!([op, ACCOUNT, passkey])).await.unwrap();
    ask(&world, KEYS[0], "pm_sponsor_with_tee", json!([dapp.first_op(1), "any", null])).await.unwrap();

    let params = json!([dapp.first_op(2), "any", null]);
    let refusal = ask(&world, KEYS[0], "pm_sponsor_with_tee", params.clone()).await.unwrap_err();
    refusal.assert_is(-32501, "api_key_reservations_exceeded", true);
    assert_eq!(refusal.data["rule"], "reservations.max_per_api_key");
    assert_eq!((&refusal.data["limit"], &refusal.data["used"]), (&json!("2"), &json!("2")));

    // The refusal comes before anyone signs or touches anything.
    let op = dapp.first_op(2);
    for (method, params) in [
        ("pm_getSponsorshipIntent", json!([op, ACCOUNT])),
        ("pm_getPaymasterStubData", json!([op, world.entry_point(), "0x7a69", { "accountId": ACCOUNT }])),
        ("pm_getPaymasterStubData", json!([op, world.entry_point(), "0x7a69", null])),
    ] {
        let told = ask(&world, KEYS[0], method, params.clone()).await.unwrap_err();
        told.assert_is(-32501, "api_key_reservations_exceeded", true);
        assert_eq!((&told.data["rule"], told.message), (&refusal.data["rule"], refusal.message.clone()), "{method}");
        ask(&world, KEYS[1], method, params).await.unwrap();
    }
    assert_eq!(world.reserved_rows().await.len(), 2, "nothing was reserved");
    ask(&world, KEYS[1], "pm_sponsor_with_tee", params).await.unwrap();
}

#[tokio::test]
async fn a_stub_without_a_passkey_is_refused_over_each_limit_of_what_is_unproven() {
    let world = permitted(|settings| {
        settings["reservations"] = json!({ "max_unproven": 3, "max_unproven_per_caller": 2, "max_unproven_public": 1 });
    })
    .await;
    let pages = [publishable(&world).await, publishable(&world).await];
    let servers = [
        generated(&world, KeyKind::Server, Origins::default()).await,
        generated(&world, KeyKind::Server, Origins::default()).await,
    ];
    let dapp = world.dapp(ACCOUNT).await;
    let params = |key: u64| json!([dapp.first_op(key), world.entry_point(), "0x7a69", null]);
    let refused = async |key: &str, rule: &str, limit: &str| {
        let open = world.reserved_rows().await.len();
        for method in ["pm_getPaymasterStubData", "pm_getPaymasterData"] {
            let refusal = ask(&world, key, method, params(9)).await.unwrap_err();
            refusal.assert_is(-32501, "unproven_reservations_exceeded", true);
            let told = (&refusal.data["rule"], &refusal.data["limit"]);
            assert_eq!(told, (&json!(format!("reservations.{rule}")), &json!(limit)), "{method}");
        }
        assert_eq!(world.reserved_rows().await.len(), open, "nothing was reserved");
    };
    ask(&world, &pages[1], "pm_getPaymasterStubData", params(9)).await.unwrap();
    ask(&world, &pages[0], "pm_getPaymasterData", params(0)).await.unwrap();
    refused(&pages[1], "max_unproven_public", "1").await;
    for key in 1..3 {
        ask(&world, &servers[1], "pm_getPaymasterStubData", params(9)).await.unwrap();
        ask(&world, &servers[0], "pm_getPaymasterData", params(key)).await.unwrap();
    }
    refused(&servers[0], "max_unproven_per_caller", "2").await;
    refused(&servers[1], "max_unproven", "3").await;
}

#[tokio::test]
async fn without_a_passkey_the_window_can_be_shorter() {
    let world = permitted(|settings| settings["reservations"]["unproven_validity_seconds"] = json!(120)).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let now = world.clock.now();
    let params = json!([dapp.first_op(0), "somebody", null]);
    let unproven = world.client.call("pm_sponsor_with_tee", params).await.unwrap();
    let op = dapp.first_op(1);
    let proven = world.sponsor(&mut dapp, &op).await.unwrap();
    assert_eq!((&unproven["validUntil"], &proven["validUntil"]), (&json!(now + 120), &json!(now + 600)));
}

#[tokio::test]
async fn without_a_passkey_the_same_request_gets_a_window_that_a_bundler_takes() {
    for version in [V07, V09] {
        let world =
            World::with(version, ETHER, |settings| settings["policies"][0]["allow_without_passkey"] = json!(true))
                .await;
        world.permit_without_passkey().await;
        let mut op = world.dapp(ACCOUNT).await.first_op(0);
        let ask = async |method: &str, op: &Value| {
            world.client.call(method, json!([op, world.entry_point(), "0x7a69", null])).await.unwrap()
        };
        let first = ask("pm_getPaymasterData", &op).await;
        world.clock.advance(500);
        assert_eq!(ask("pm_getPaymasterData", &op).await, first);
        // After the next block less than min_validity_seconds is left.
        world.clock.advance(41);
        let stub = ask("pm_getPaymasterStubData", &op).await;
        if version == V09 {
            // The account may sign the stub's fields.
            for name in ["paymaster", "paymasterData", "paymasterVerificationGasLimit", "paymasterSignature"] {
                op[name] = stub[name].clone();
            }
        }
        let renewed = ask("pm_getPaymasterData", &op).await;
        assert_ne!(renewed["paymasterData"], first["paymasterData"]);
        if version == V09 {
            assert_eq!(renewed["paymasterData"], stub["paymasterData"]);
        }
        assert_eq!(ask("pm_getPaymasterData", &op).await, renewed);
        assert_eq!((world.sponsorships(), world.reserved_rows().await.len()), (2, 1));
    }
}

#[tokio::test]
async fn a_listed_account_lends_its_standing_to_nobody_without_a_passkey_but_its_own_sender() {
    let mut world = permitted(|settings| settings["default_account"] = Value::Null).await;
    let dapp = world.dapp("bob").await;
    let sender = dapp.sender.to_string().to_lowercase();
    world.settings["accounts"] = json!([{ "id": "listed-and-not-in-the-tee" }, { "id": sender }]);
    let world = world.restarted().await;

    let other = world.dapp("carol").await;
    let params = json!([other.first_op(0), "listed-and-not-in-the-tee", null]);
    let refusal = world.client.call("pm_sponsor_with_tee", params).await.unwrap_err();
    refusal.assert_is(-32501, "account_unlisted", false);
    let spelled = json!({ "accountId": format!("0x{}", dapp.sender.to_string()[2..].to_uppercase()) });
    let params = json!([dapp.first_op(0), world.entry_point(), "0x7a69", spelled]);
    world.client.call("pm_getPaymasterData", params).await.unwrap();

    // Anyone can name a sender: its balance is not disclosed.
    let mut world = world;
    world.settings["policies"][0]["min_balance"] = json!("5000");
    world.settings["accounts"] = json!([{ "id": dapp.sender.to_string().to_lowercase(), "balance": "4321" }]);
    let world = world.restarted().await;
    let params = json!([dapp.first_op(1), world.entry_point(), "0x7a69", null]);
    let refusal = world.client.call("pm_getPaymasterData", params).await.unwrap_err();
    refusal.assert_is(-32501, "balance_too_low", false);
    assert_eq!((&refusal.data["limit"], &refusal.data["used"]), (&json!("5000"), &Value::Null));
    assert!(!refusal.message.contains("4321"), "{refusal:?}");
}

#[tokio::test]
async fn without_the_kms_nobody_says_whose_an_account_is() {
    let world = permitted(|_| {}).await;
    let op = world.dapp(ACCOUNT).await.first_op(0);
    world.tee.down.store(true, Ordering::SeqCst);
    for method in ["pm_getPaymasterStubData", "pm_getPaymasterData"] {
        let params = json!([op, world.entry_point(), "0x7a69", null]);
        world.client.call(method, params).await.unwrap_err().assert_is(-32603, "kms_unavailable", true);
    }
    assert_eq!(world.reserved().await, 0);
}
