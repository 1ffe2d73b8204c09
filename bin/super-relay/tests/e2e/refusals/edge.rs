//! Refusals before any method is called, and by the KMS before anything is parsed.

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Setup, World};

const TOO_LARGE: usize = 300 * 1024;

#[tokio::test]
async fn a_method_that_does_not_exist_is_refused() {
    let world = World::start(V07).await;

    let refusal = world.rpc().call("pm_sponsorEverything", json!([])).await.unwrap_err();

    refusal.is_final(-32601, "method_not_found");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let world = World::start(V07).await;
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "pm_chainId", "params": ["0".repeat(TOO_LARGE)] });

    let (status, refusal) = world.rpc().refuse(request.to_string()).await;

    assert_eq!(status, 413);
    refusal.is_final(-32600, "body_too_large");
    let body = json!({ "userName": "0".repeat(TOO_LARGE) });
    world.kms().post("/webauthn/register/begin", &body).await.unwrap_err().is_final(413, "body_too_large");
}

#[tokio::test]
async fn invalid_json_and_invalid_requests_are_refused() {
    let world = World::start(V07).await;

    world.rpc().refuse("{").await.1.is_final(-32700, "malformed_json");
    world.rpc().refuse(r#"{"id": 1}"#).await.1.is_final(-32600, "invalid_request");
}

#[tokio::test]
async fn a_field_that_the_kms_does_not_know_is_refused_by_name() {
    let world = World::start(V07).await;

    let body = json!({ "userName": "a", "isAdmin": true });
    let refusal = world.kms().post("/webauthn/register/begin", &body).await.unwrap_err();

    refusal.is_final(400, "invalid_field");
    assert!(refusal.message.contains("isAdmin"), "{}", refusal.message);
}

#[tokio::test]
async fn a_route_that_the_kms_does_not_have_is_refused() {
    let world = World::start(V07).await;

    world.kms().get("/kms/export-private-keys").await.unwrap_err().is_final(404, "not_found");
}

#[tokio::test]
async fn a_relay_with_api_keys_lets_only_those_in() {
    let hash = hex::encode(Sha256::digest("open sesame"));
    let guarded = move |configuration: &mut Value| {
        configuration["relay"]["rpc"] = json!({ "api_key_hashes": [hash] });
    };
    let world = Setup::of(V07).configure(guarded).start().await;
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "pm_chainId" }).to_string();

    let (status, refusal) = world.rpc().refuse(request.clone()).await;
    assert_eq!(status, 200);
    refusal.is_final(-32050, "unauthorised");
    let (status, refusal) = world.rpc().with_api_key("open barley").refuse(request).await;
    assert_eq!(status, 200);
    refusal.is_final(-32050, "unauthorised");

    let answer = world.rpc().with_api_key("open sesame").call("pm_chainId", json!([])).await;
    assert_eq!(answer.unwrap(), "0x7a69");
}
