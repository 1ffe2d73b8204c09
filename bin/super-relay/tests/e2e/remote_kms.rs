//! The KMS in a separate process, and a node that reaches it over HTTP.

use devkit::EntryPointVersion;
use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};

use crate::support::{Setup, Signal, TeeAccount, World, eventually, freeze, ready, run, thaw, write_configuration};

on_every_version! { a_node_has_operations_sponsored_by_a_kms_in_another_process }

async fn a_node_has_operations_sponsored_by_a_kms_in_another_process(version: EntryPointVersion) {
    let world = Setup::of(version).start_apart().await;
    let mut account = TeeAccount::create(&world).await;
    for _ in 0..2 {
        let operation = account.operation(&world).await;

        let answer = account.sponsored(&world, &operation).await.unwrap();

        let ready = &answer["userOperation"];
        assert_eq!(answer["userOpHash"], json!(world.entry_point().user_op_hash(ready).await.unwrap()));
        assert!(world.entry_point().handle_ops(ready).await.unwrap().success);
    }
}

#[tokio::test]
async fn a_refusal_of_the_remote_kms_reaches_the_caller_in_its_own_words() {
    let world = Setup::of(V07).start_apart().await;
    let mut account = TeeAccount::create(&world).await;
    account.passkey.behaviour.user_verified = false;
    let operation = account.operation(&world).await;

    account.sponsored(&world, &operation).await.unwrap_err().is_final(-32507, "user_not_verified");
    let unknown = world.rpc().call("pm_get_account_info", json!(["nobody"])).await;
    unknown.unwrap_err().is_retryable(-32602, "account_unknown");
}

#[tokio::test]
async fn while_the_kms_is_down_requests_are_refused_as_retryable_and_pass_when_it_is_back() {
    let mut world = Setup::of(V07).start_apart().await;
    let request = request(&world).await;
    world.kill_kms().await;

    let refusal = world.rpc().call("pm_sponsor_with_tee", request.clone()).await.unwrap_err();
    refusal.is_retryable(-32603, "kms_unavailable");
    ready(&world.node).await;

    world.restart_kms().await;
    let answer = eventually(async || world.rpc().call("pm_sponsor_with_tee", request.clone()).await.ok()).await;
    assert!(world.entry_point().handle_ops(&answer["userOperation"]).await.unwrap().success);
}

#[tokio::test]
async fn a_node_starts_without_its_kms_and_says_so_until_it_is_there() {
    let mut world = Setup::of(V07).start_apart().await;
    let request = request(&world).await;
    world.kill_kms().await;
    world.node.kill().await;

    world.restart().await;
    assert_eq!(world.ops("/livez").await.0, 200);
    ready(&world.node).await;
    let reason = world.problem("kms").await.unwrap();
    let address = world.configuration["remote_kms"]["urls"][0].as_str().unwrap().trim_end_matches('/').to_owned();
    assert!(reason.contains(&format!("KMS gateway {address}/: it cannot be reached: Connection refused")), "{reason}");
    let refusal = world.rpc().call("pm_sponsor_with_tee", request.clone()).await.unwrap_err();
    assert!(!format!("{refusal:?}").contains(&address), "no client is told where the gateways are: {refusal:?}");
    refusal.is_retryable(-32603, "kms_unavailable");

    world.restart_kms().await;
    eventually(async || world.problem("kms").await.is_none().then_some(())).await;
    assert!(world.rpc().call("pm_sponsor_with_tee", request).await.is_ok());
}

#[tokio::test]
async fn a_gateway_that_cannot_be_reached_is_passed_over_for_the_next() {
    let first = |configuration: &mut Value| configuration["remote_kms"] = json!({ "urls": ["http://127.0.0.1:1/"] });
    let world = Setup::of(V07).configure(first).start_apart().await;
    assert_eq!(world.configuration["remote_kms"]["urls"].as_array().unwrap().len(), 2);
    let request = request(&world).await;

    assert!(world.rpc().call("pm_sponsor_with_tee", request).await.is_ok());
}

#[tokio::test]
async fn a_check_refuses_gateways_of_different_tees() {
    let (world, other) = tokio::join!(Setup::of(V07).start_apart(), Setup::of(V07).start_apart());
    let url = |world: &World| world.configuration["remote_kms"]["urls"][0].as_str().unwrap().to_owned();
    let says = async |urls: [String; 2]| {
        let mut configuration = world.configuration.clone();
        configuration["remote_kms"]["urls"] = json!(urls);
        let file = world.file("checked.toml");
        write_configuration(&configuration, &file);
        run(&["config", "check", "--config", file.to_str().unwrap()]).await
    };
    // The same gateway by another name.
    let by_name = url(&world).replace("127.0.0.1", "localhost");
    let one = says([url(&world), by_name]).await;
    assert!(one.status.success(), "{}", String::from_utf8_lossy(&one.stderr));
    let several = says([url(&world), url(&other)]).await;
    assert_eq!(several.status.code(), Some(1));
    let said = String::from_utf8(several.stderr).unwrap();
    assert!(said.contains("kms: remote_kms.urls names gateways of different TEEs"), "{said}");
    assert!(said.contains(&url(&world)) && said.contains(&url(&other)), "{said}");
}

#[tokio::test]
async fn the_key_is_rotated_at_a_remote_kms_too() {
    let mut world = Setup::of(V07).start_apart().await;
    let before = world.kms().relay_signers().await;

    // The KMS ignores it.
    world.kms_process().signal(Signal::HUP);
    world.node.signal(Signal::HUP);

    eventually(async || (world.kms().relay_signers().await != before).then_some(())).await;
    let request = request(&world).await;
    assert!(world.rpc().call("pm_sponsor_with_tee", request).await.is_ok());
}

#[tokio::test]
async fn a_request_on_which_the_kms_hangs_is_signed_once_it_resumes() {
    let world = Setup::of(V07).start_apart().await;
    let request = request(&world).await;
    // Then the relay knows the account: the next request needs the KMS only for its signatures.
    world.rpc().call("pm_getSponsorshipIntent", json!([request[0], request[1]])).await.unwrap();
    let kms = world.kms_process_id();
    freeze(kms).await;
    let rpc = world.rpc();
    let waiting = tokio::spawn(async move { rpc.call("pm_sponsor_with_tee", request).await });
    let approved = r#"relay_stage_seconds_count{stage="approve"} 1"#;
    eventually(async || world.ops("/metrics").await.1.contains(approved).then_some(())).await;
    assert!(!waiting.is_finished());

    thaw(kms);

    assert!(waiting.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_kms_told_to_stop_exits_with_zero() {
    let mut world = Setup::of(V07).start_apart().await;

    assert!(world.stop_kms().await.success());
}

async fn request(world: &World) -> Value {
    let mut account = TeeAccount::create(world).await;
    let operation = account.operation(world).await;
    let assertion = account.approve(world, &operation).await;
    json!([operation, account.id, assertion])
}
