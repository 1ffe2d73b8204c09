//! `super-relay send`: an operation is sponsored, sent and mined from the command line, and nothing
//! is sent that nobody approved.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;
use std::sync::{Arc, Mutex};

use axum::{Json, Router};
use devkit::EntryPointVersion::{self, V06, V07, V08};
use devkit::user_operation::Draft;
use devkit::{Address, Call, U256, execute};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{Key, OwnedAccount, Setup, TeeAccount, World, run, run_given, run_in};

const SEED: u8 = 5;
const API_KEY: &str = "srk_of-the-command-line";
const NOWHERE: &str = "http://127.0.0.1:1";

on_versions! { an_owners_key_signs_and_the_relays_bundler_mines_the_operation: v06 V06, v07 V07, v08 V08 }

async fn an_owners_key_signs_and_the_relays_bundler_mines_the_operation(version: EntryPointVersion) {
    let (world, _bundler) = Setup::of(version).without_passkey().start_with_bundler().await;
    let (account, file, key) = owned(&world).await;
    let paymaster = world.paymaster.address().to_string();

    let shown = done(&send(&world, &[&file, "--key-file", &key, "--dry-run"]).await);
    assert_eq!((&shown["dryRun"], &shown["sendTo"]), (&json!(true), &json!("the relay's bundler")));
    assert_eq!(address(&shown["signer"]), account.key.address().to_string().to_lowercase());
    assert_eq!(nonce(&world, &account).await, U256::ZERO);
    let sent = done(&send(&world, &[&file, "--key-file", &key, "--paymaster", &paymaster]).await);

    assert_eq!((&sent["success"], &sent["receipt"]["success"]), (&json!(true), &json!(true)), "{sent}");
    assert_eq!(sent["userOpHash"], sent["receipt"]["userOpHash"]);
    assert_eq!(address(&sent["receipt"]["paymaster"]), paymaster.to_lowercase());
    assert_eq!(nonce(&world, &account).await, U256::from(1));
}

on_versions! { what_a_passkey_approved_is_sponsored_and_mined: v06 V06, v07 V07, v08 V08 }

async fn what_a_passkey_approved_is_sponsored_and_mined(version: EntryPointVersion) {
    let (world, bundler) = Setup::of(version).start_with_bundler().await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;

    let file = write(&world, "asked.json", &json!([operation, account.id]));
    let shown = done(&send(&world, &[&file, "--dry-run", "--policy", "default"]).await);
    assert_eq!((&shown["isApproved"], &shown["accountId"]), (&json!(false), &json!(account.id)));
    let unapproved = refused(&send(&world, &[&file]).await, 1);
    assert!(unapproved.contains("nobody approves"), "{unapproved}");
    assert_eq!(world.entry_point().nonce(account.sender).await.unwrap(), U256::ZERO);

    let passkey = account.passkey.assert(&shown["intent"]["webauthn"]).unwrap();
    let file = write(&world, "approved.json", &json!([operation, account.id, passkey, { "idempotencyKey": "one" }]));
    let sent = done(&send(&world, &[&file, "--bundler", bundler.url()]).await);

    assert_eq!((&sent["success"], &sent["receipt"]["success"]), (&json!(true), &json!(true)), "{sent}");
    assert_eq!(world.entry_point().nonce(account.sender).await.unwrap(), U256::from(1));
    let again = done(&send(&world, &[&file, "--bundler", bundler.url()]).await);
    assert_eq!((&again["userOpHash"], &again["receipt"]), (&sent["userOpHash"], &sent["receipt"]), "mined once");
    assert_eq!(world.entry_point().nonce(account.sender).await.unwrap(), U256::from(1));
}

/// The authorisation is the file's: the relay reads its delegate, and the chain checks the rest.
#[tokio::test]
async fn an_account_delegates_its_code_in_the_operation_that_is_sent() {
    let (world, _bundler) = Setup::of(V08).without_passkey().start_with_bundler().await;
    let owner = Key::new(SEED);
    let call = Call { target: Address::repeat_byte(0x5a), value: U256::ZERO, data: vec![0x12, 0x34].into() };
    let mut operation = Draft::new(owner.address(), U256::ZERO, execute(&call)).to_json(V08);
    operation["factory"] = json!("0x7702");
    operation["eip7702Auth"] = json!(owner.delegate_to(world.deployment.delegate.unwrap()));
    let file = write(&world, "op.json", &operation);
    let key = private(&world, "owner.key", &hex::encode([SEED; 32]));

    let sent = done(&send(&world, &[&file, "--key-file", &key]).await);

    assert_eq!((&sent["success"], address(&sent["receipt"]["sender"])), (&json!(true), address(&operation["sender"])));
    assert_eq!(sent["userOperation"]["eip7702Auth"], operation["eip7702Auth"]);
}

#[tokio::test]
async fn an_operation_is_read_from_standard_input_and_the_api_key_from_a_file_or_the_environment() {
    let require = |configuration: &mut Value| {
        configuration["relay"]["rpc"]["api_key_hashes"] = json!([hex::encode(Sha256::digest(API_KEY))]);
    };
    let world = Setup::of(V07).without_passkey().configure(require).start().await;
    let (account, file, key) = owned(&world).await;
    let api_key = private(&world, "api.key", &format!("{API_KEY}\n"));
    let arguments = |file: &str| line(&world, &[file, "--key-file", &key, "--dry-run"]);

    let anonymous = refused(&run(&strs(&arguments(&file))).await, 1);
    assert!(anonymous.contains("the relay refused pm_chainId") && anonymous.contains("unauthorised"), "{anonymous}");
    done(&run_in(&[("SUPER_RELAY_API_KEY", API_KEY)], &strs(&arguments(&file))).await);
    done(&run(&[&strs(&arguments(&file))[..], &["--api-key-file", &api_key]].concat()).await);
    let broken = refused(&run_in(&[("SUPER_RELAY_API_KEY", "two words")], &strs(&arguments(&file))).await, 1);
    assert!(broken.contains("SUPER_RELAY_API_KEY") && !broken.contains("two words"), "{broken}");

    let operation = std::fs::read_to_string(&file).unwrap();
    let from_input = arguments("-");
    let line = [&strs(&from_input)[..], &["--api-key-file", &api_key]].concat();
    let shown = done(&run_given(&line, &operation).await);
    assert_eq!(address(&shown["userOperation"]["sender"]), account.sender.to_string().to_lowercase());
    let nothing = refused(&run_given(&line, "").await, 1);
    assert!(nothing.contains("standard input: JSON"), "{nothing}");
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_by_name_and_nothing_is_sent() {
    let (world, _bundler) = Setup::of(V07).without_passkey().start_with_bundler().await;
    let (account, file, key) = owned(&world).await;
    let operation = account.operation(&world).await;
    let mut unfinished = operation.clone();
    unfinished["callGasLimit"] = Value::Null;
    let unfinished = write(&world, "unfinished.json", &unfinished);
    let limited = write(&world, "limited.json", &json!([operation, null, null, { "policyId": "shop" }]));
    let elsewhere = write(&world, "elsewhere.json", &json!([operation, null, null, { "chainId": "0x1" }]));
    let open = private(&world, "open.key", &hex::encode([SEED; 32]));
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o640)).unwrap();
    let short = private(&world, "short.key", "0x12");
    let missing = world.file("missing.json").to_str().unwrap().to_owned();
    let stranger = "0x00000000000000000000000000000000000000aa";
    let keystore = world.file("relay-key.json").to_str().unwrap().to_owned();
    let passphrase = private(&world, "wrong.passphrase", "wrong");
    std::fs::set_permissions(&keystore, std::fs::Permissions::from_mode(0o600)).unwrap();

    for (arguments, words) in [
        (&[file.as_str()][..], "nobody approves this operation"),
        (&[&missing, "--key-file", &key], "missing.json: No such file"),
        (&[&unfinished, "--key-file", &key], "callGasLimit: missing"),
        (&[&file, "--key-file", &open], "chmod 600"),
        (&[&file, "--key-file", &short], "neither a secp256k1 key"),
        (&[&file, "--key-file", &keystore], "--passphrase-file"),
        (&[&file, "--key-file", &keystore, "--passphrase-file", &passphrase], "does not open this keystore"),
        (&[&file, "--key-file", &key, "--policy", "generous"], "(unknown_policy)"),
        (&[&limited, "--key-file", &key, "--policy", "default"], "options.policyId is shop in the file"),
        (&[&elsewhere, "--key-file", &key], "options.chainId is 1 in the file, but --chain-id says 31337"),
        (&[&file, "--key-file", &key, "--paymaster", stranger], "not with 0x00000000000000000000000000000000000000AA"),
        (&[&file, "--key-file", &key, "--entry-point", stranger], "--entry-point-version"),
        (&[&file, "--key-file", &key, "--relay", NOWHERE], "the relay: pm_chainId: not reached"),
    ] {
        let said = refused(&send(&world, arguments).await, 1);
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    let rpc = world.rpc();
    let other_chain = ["send", "--relay", rpc.url(), "--chain-id", "1", &file, "--key-file", &key];
    let said = refused(&run(&other_chain).await, 1);
    assert!(said.contains("wrong_chain"), "{said}");
    assert_eq!(nonce(&world, &account).await, U256::ZERO);
}

#[tokio::test]
async fn an_operation_whose_call_reverts_ends_with_a_code_of_its_own() {
    let (world, _bundler) = Setup::of(V07).without_passkey().start_with_bundler().await;
    let (account, _, key) = owned(&world).await;
    let mut operation = account.operation(&world).await;
    operation["callData"] = "0xdeadbeef".into();
    let file = write(&world, "reverting.json", &operation);

    let output = send(&world, &[&file, "--key-file", &key]).await;

    let said = refused_with_answer(&output, 4);
    assert!(said.contains("its call reverted"), "{said}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["success"], &answer["receipt"]["success"]), (&json!(false), &json!(false)));
}

/// A bundler that says nothing of use: the operation may be mined nevertheless.
#[tokio::test]
async fn an_operation_that_is_not_seen_in_a_block_is_reported_as_unknown() {
    let world = Setup::of(V07).without_passkey().start().await;
    let (_, file, key) = owned(&world).await;
    let (bundler, asked) = serve(|method, params| match method {
        "eth_sendUserOperation" => json!({ "result": format!("0x{}", "22".repeat(32)), "params": params }),
        _ => json!({ "result": null }),
    })
    .await;

    let arguments = [&file, "--key-file", &key, "--bundler", &bundler, "--wait-seconds", "0"];
    let output = send(&world, &arguments).await;

    let said = refused_with_answer(&output, 3);
    assert!(said.contains("is not known to be mined") && said.contains("the bundler calls it"), "{said}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["success"], &answer["receipt"]), (&Value::Null, &Value::Null));
    let methods: Vec<_> = asked.lock().unwrap().iter().map(|(method, _)| method.clone()).collect();
    assert_eq!(methods, ["eth_sendUserOperation", "eth_getUserOperationReceipt"]);
    let (_, params) = asked.lock().unwrap()[0].clone();
    let hash = world.entry_point().user_op_hash(&params[0]).await.unwrap();
    assert_eq!(answer["userOpHash"], json!(hash), "the hash is that of the EntryPoint, whatever the bundler says");
}

#[tokio::test]
async fn what_the_bundler_refuses_and_does_not_know_is_not_sent() {
    let world = Setup::of(V07).without_passkey().start().await;
    let (_, file, key) = owned(&world).await;
    let (bundler, asked) = serve(|method, _| match method {
        "eth_sendUserOperation" => json!({ "error": { "code": -32500, "message": "AA25 invalid account nonce" } }),
        _ => json!({ "result": null }),
    })
    .await;

    let said = refused(&send(&world, &[&file, "--key-file", &key, "--bundler", &bundler]).await, 1);

    assert!(said.contains("the bundler refused eth_sendUserOperation: AA25 invalid account nonce"), "{said}");
    assert_eq!(asked.lock().unwrap().len(), 2, "the receipt is asked for once");
}

#[tokio::test]
async fn a_relay_that_answers_with_another_operation_is_not_obeyed() {
    let (world, bundler) = Setup::of(V07).start_with_bundler().await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let passkey = account.approve(&world, &operation).await;
    let params = json!([operation, account.id, passkey]);
    let honest = world.rpc().call("pm_sponsor_with_tee", params.clone()).await.unwrap();
    let file = write(&world, "approved.json", &params);

    let other_window = {
        let mut answer = honest.clone();
        let data = answer["paymasterData"].as_str().unwrap().to_owned();
        answer["paymasterData"] = json!(data.replacen("0x0", "0x1", 1));
        answer
    };
    let unsigned = {
        let mut answer = honest.clone();
        answer["signature"] = Value::Null;
        answer
    };
    for (answer, words) in [(other_window, "its hash is 0x"), (unsigned, "no signature of the account")] {
        let entry_point = json!(world.entry_point().address());
        let (relay, _) = serve(move |method, _| match method {
            "pm_chainId" => json!({ "result": "0x7a69" }),
            "pm_supportedEntryPoints" => json!({ "result": [entry_point] }),
            _ => json!({ "result": answer }),
        })
        .await;
        let said = refused(&send(&world, &[&file, "--relay", &relay, "--bundler", bundler.url()]).await, 1);
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(world.entry_point().nonce(account.sender).await.unwrap(), U256::ZERO);
}

#[tokio::test]
async fn a_relay_that_makes_the_account_pay_gets_no_signature() {
    for version in [V06, V07] {
        let world = Setup::of(version).without_passkey().start().await;
        let (_, file, key) = owned(&world).await;
        let nobody = Address::ZERO;
        let fields = if version == V06 {
            json!({ "paymasterAndData": format!("{nobody:#x}{}", "11".repeat(77)) })
        } else {
            let limits =
                json!({ "paymasterVerificationGasLimit": "0xffffffff", "paymasterPostOpGasLimit": "0xffffffff" });
            let mut fields = json!({ "paymaster": nobody, "paymasterData": "0x" });
            fields.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
            fields
        };
        let entry_point = json!(world.entry_point().address());
        let (relay, asked) = serve(move |method, _| match method {
            "pm_chainId" => json!({ "result": "0x7a69" }),
            "pm_supportedEntryPoints" => json!({ "result": [entry_point] }),
            "pm_getPaymasterData" => json!({ "result": fields }),
            _ => json!({ "result": null }),
        })
        .await;

        let said = refused(&send(&world, &[&file, "--relay", &relay, "--key-file", &key]).await, 1);

        assert!(said.contains("the account would pay"), "{said}");
        assert_eq!(asked.lock().unwrap().last().unwrap().0, "pm_getPaymasterData", "nothing is sent");
    }
}

/// An account with its own signer, its operation in a file, and its key in another.
async fn owned(world: &World) -> (OwnedAccount, String, String) {
    let account = OwnedAccount::new(world, SEED).await;
    let operation = account.operation(world).await;
    (account, write(world, "op.json", &operation), private(world, "owner.key", &hex::encode([SEED; 32])))
}

async fn nonce(world: &World, account: &OwnedAccount) -> U256 {
    world.entry_point().nonce(account.sender).await.unwrap()
}

fn write(world: &World, name: &str, json: &Value) -> String {
    let file = world.file(name);
    std::fs::write(&file, json.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

fn private(world: &World, name: &str, text: &str) -> String {
    let file = world.file(name);
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    file.to_str().unwrap().to_owned()
}

fn line(world: &World, arguments: &[&str]) -> Vec<String> {
    let mut line = vec!["send".to_owned()];
    if !arguments.contains(&"--relay") {
        line.extend(["--relay".to_owned(), world.rpc().url().to_owned()]);
    }
    line.extend(["--chain-id", "31337"].iter().chain(arguments).map(|argument| (*argument).to_owned()));
    line
}

fn strs(line: &[String]) -> Vec<&str> {
    line.iter().map(String::as_str).collect()
}

async fn send(world: &World, arguments: &[&str]) -> Output {
    run(&strs(&line(world, arguments))).await
}

fn done(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What it said when it ended with that code and no answer.
#[track_caller]
fn refused(output: &Output, code: i32) -> String {
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    refused_with_answer(output, code)
}

#[track_caller]
fn refused_with_answer(output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

fn address(field: &Value) -> String {
    field.as_str().unwrap().to_lowercase()
}

type Calls = Arc<Mutex<Vec<(String, Value)>>>;

/// A server of JSON-RPC that answers as the test says, and the calls it got.
async fn serve(answer: impl Fn(&str, &Value) -> Value + Clone + Send + Sync + 'static) -> (String, Calls) {
    let calls = Calls::default();
    let got = Arc::clone(&calls);
    let app = Router::new().fallback(async move |Json(request): Json<Value>| {
        let method = request["method"].as_str().unwrap_or_default().to_owned();
        let mut answered = answer(&method, &request["params"]);
        answered["jsonrpc"] = "2.0".into();
        answered["id"] = request["id"].clone();
        got.lock().unwrap().push((method, request["params"].clone()));
        Json(answered)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, calls)
}
