//! The form of requests and answers: malformed fields are refused by name, and all errors have the
//! same form.

use proto::json::hex_bytes;
use serde_json::{Value, json};

use crate::support::{Kms, NOW};

fn message(error: &Value) -> &str {
    error["message"].as_str().unwrap()
}

#[tokio::test]
async fn malformed_hex_is_refused_and_the_field_named() {
    let kms = Kms::start().await;
    for (field, value) in [
        ("sender", json!("0xzz")),
        ("callData", json!("0x123")),
        ("callGasLimit", json!("100000")),
        ("nonce", json!(1)),
    ] {
        let mut request = kms.honest_request().await;
        let mut op = request.op.clone();
        op[field] = value;
        request.extra = json!({ "userOperation": op });
        let error = kms.sponsor(&request).await.refused(400, "invalid_field");
        assert!(message(&error).starts_with(&format!("userOperation.{field}: ")), "{error}");
    }
    for (field, value) in [
        ("nonce", json!("0xzz")),
        ("nonce", json!(-1)),
        ("timestamp", json!("0x10000000000000000")),
        ("entryPoint", json!("0x1234")),
        ("accountId", json!("no spaces")),
        ("userPublicKey", json!("0x04")),
        ("signatureFormat", json!("eip712")),
        ("businessValidation", json!("yes")),
    ] {
        let mut request = kms.honest_request().await;
        request.extra = json!({ field: value });
        let error = kms.sponsor(&request).await.refused(400, "invalid_field");
        assert!(message(&error).starts_with(&format!("{field}: ")), "{error}");
    }
}

#[tokio::test]
async fn an_unknown_field_is_refused_and_named_at_any_depth() {
    let kms = Kms::start().await;
    let request = kms.honest_request().await;
    let mut terms = request.body()["terms"].clone();
    terms["postOp"] = json!(1);
    let mut op = request.op.clone();
    op["gasLimit"] = json!("0x1");
    let mut assertion = request.user_signature.clone().unwrap();
    assertion["extra"] = json!(1);
    for (extra, name) in [
        (json!({ "gasPrice": 1 }), "gasPrice"),
        (json!({ "terms": terms }), "postOp"),
        (json!({ "userOperation": op }), "userOperation.gasLimit"),
        (json!({ "userSignature": assertion }), "userSignature.extra"),
    ] {
        let mut request = kms.honest_request().await;
        request.extra = extra;
        let error = kms.sponsor(&request).await.refused(400, "invalid_field");
        assert!(message(&error).contains(name), "{error}");
    }
}

#[tokio::test]
async fn a_missing_header_is_named() {
    let kms = Kms::start().await;
    let body = kms.honest_request().await.body();
    let error = kms.post("/kms/sponsor-user-operation", &body).await.refused(400, "invalid_field");
    assert!(message(&error).starts_with("X-Paymaster-"), "{error}");
}

#[tokio::test]
async fn an_oversized_body_is_refused() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    request.extra = json!({ "businessValidation": { "padding": "x".repeat(256 * 1024) } });
    let error = kms.sponsor(&request).await.refused(413, "body_too_large");
    assert_eq!(message(&error), "the body is over 262144 bytes");
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused() {
    let kms = Kms::start().await;
    let url = format!("{}/webauthn/register/begin", kms.url);
    kms.send(kms.client.post(&url).body("{}")).await.refused(415, "not_json");
    let cut_off = kms.client.post(&url).header("content-type", "application/json").body("{\"userName\":");
    kms.send(cut_off).await.refused(400, "malformed_json");
    let trailing = kms.client.post(&url).header("content-type", "application/json").body("{\"userName\":\"a\"}{}");
    kms.send(trailing).await.refused(400, "malformed_json");
}

#[tokio::test]
async fn an_encoded_body_is_refused_as_such() {
    let kms = Kms::start().await;
    let url = format!("{}/webauthn/register/begin", kms.url);
    let post = |encoding: &str| {
        let request = kms.client.post(&url).header("content-type", "application/json");
        request.header("content-encoding", encoding).body(r#"{"userName":"alice"}"#)
    };
    for encoding in ["gzip", "br", "identity, gzip"] {
        let response = post(encoding).send().await.unwrap();
        assert_eq!(response.headers()["accept-encoding"], "identity");
        let error = kms.send(post(encoding)).await.refused(415, "content_encoding_not_supported");
        assert!(message(&error).contains(encoding), "{error}");
    }
    kms.send(post("Identity")).await.ok();
}

#[tokio::test]
async fn callers_texts_are_truncated_in_errors() {
    let kms = Kms::start().await;
    let long = "k".repeat(200_000);
    let begin = "/webauthn/register/begin";
    for body in [json!({ (&long): 1 }), json!({ "accountId": long }), json!({ "userName": long })] {
        let error = kms.post(begin, &body).await.refused(400, "invalid_field");
        assert!(message(&error).len() < 600, "{error}");
    }
    let error = kms.post(begin, &json!({ "userName": "x".repeat(129) })).await.refused(400, "invalid_field");
    assert!(message(&error).contains("1 to 128 characters, found 129"), "{error}");
}

#[tokio::test]
async fn an_unknown_account_is_refused_on_every_route() {
    let kms = Kms::start().await;
    kms.get("/kms/accounts/nobody").await.refused(404, "account_unknown");
    let mut request = kms.honest_request().await;
    request.account_id = "nobody".parse().unwrap();
    kms.sponsor(&request.signed(&kms.relay)).await.refused(404, "account_unknown");
    kms.get("/kms/accounts/no%20spaces").await.refused(400, "invalid_field");
}

#[tokio::test]
async fn every_route_of_the_table_is_served() {
    let kms = Kms::start().await;
    for (_, path) in kms_api::routes::ALL {
        let url = format!("{}{}", kms.url, path.replace(['{', '}'], ""));
        kms.send(kms.client.delete(url)).await.refused(405, "method_not_allowed");
    }
}

#[tokio::test]
async fn an_unknown_route_or_method_answers_an_error_like_any_other() {
    let kms = Kms::start().await;
    kms.get("/kms/nothing").await.refused(404, "not_found");
    kms.get("/kms/sponsor-user-operation").await.refused(405, "method_not_allowed");
}

#[tokio::test]
async fn every_answer_has_the_callers_request_id_or_a_new_one() {
    let kms = Kms::start().await;
    let url = format!("{}/kms/accounts/nobody", kms.url);
    let response = kms.client.get(&url).header("X-Request-Id", "trace-1:a.b").send().await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "trace-1:a.b");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["requestId"], "trace-1:a.b");

    let insane = "x".repeat(65);
    let response = kms.client.get(format!("{}/health", kms.url)).header("X-Request-Id", &insane).send().await.unwrap();
    let made = response.headers()["x-request-id"].to_str().unwrap();
    assert_ne!(made, insane);
    assert!(!made.is_empty());
}

/// An ingress may keep what it is not told to leave alone.
#[tokio::test]
async fn every_answer_tells_the_time_and_may_not_be_kept_by_a_cache() {
    let kms = Kms::start().await;
    for path in ["/health", "/admin/signers", "/kms/accounts/nobody", "/nowhere"] {
        let answer = kms.client.get(format!("{}{path}", kms.url)).send().await.unwrap();
        let cache = answer.headers().get("cache-control").unwrap_or_else(|| panic!("{path}"));
        assert_eq!(cache, "no-store", "{path}");
        assert_eq!(answer.headers()["x-kms-time"], NOW.to_string().as_str(), "{path}");
    }
}

#[tokio::test]
async fn numbers_may_be_json_numbers_or_hex() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    request.extra = json!({ "nonce": 1, "timestamp": format!("{:#x}", request.timestamp) });
    kms.sponsor(&request).await.ok();
}

#[tokio::test]
async fn chain_and_entry_point_default_to_those_of_the_first_deployment() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    request.extra = json!({ "chainId": null, "entryPoint": null });
    kms.sponsor(&request).await.ok();
}

#[tokio::test]
async fn health_and_version_report_a_simulator_that_protects_nothing() {
    let kms = Kms::start().await;
    let health = kms.get("/health").await.ok();
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["teeMode"], "simulator");
    assert_eq!(health["phase"], "ready");
    assert_eq!(health["teeId"], kms.tee_id().await.to_string());
    let version = kms.get("/version").await.ok();
    assert_eq!(version["tee"]["protection"], json!({ "storage": "none", "rollback": "none", "time": "none" }));
    let measurement =
        proto::primitives::keccak256_concat(&[b"super-relay simulator", env!("CARGO_PKG_VERSION").as_bytes()]);
    assert_eq!(version["tee"]["measurement"], hex_bytes(&measurement.0));
}

#[tokio::test]
async fn the_queue_and_the_counts_are_reported() {
    let kms = Kms::start().await;
    let request = kms.honest_request().await;
    kms.sponsor(&request).await.ok();
    let queue = kms.get("/QueueStatus").await.ok();
    assert_eq!(queue["queue_depth"], 0);
    assert_eq!(queue["circuit_breaker_open"], false);
    assert_eq!(queue["consecutive_failures"], 0);
    assert!(queue["estimated_wait_seconds"].is_number());
    let stats = kms.get("/stats").await.ok();
    assert_eq!(stats["accounts"], 1);
    // Provision, authorise, create, sponsor.
    assert_eq!(stats["audit"]["rows"], 4);
}

#[tokio::test]
async fn accounts_are_counted_once_in_five_seconds_however_many_ask() {
    let kms = Kms::start().await;
    let count = async || kms.get("/stats").await.ok()["accounts"].as_u64().unwrap();
    assert_eq!(count().await, 0);
    kms.honest_request().await;
    assert_eq!(count().await, 0);
    kms.clock.set(NOW + 4);
    assert_eq!(count().await, 0);
    kms.clock.set(NOW + 5);
    assert_eq!(count().await, 1);
}

#[tokio::test]
async fn a_duplicate_key_inside_an_operation_is_refused_by_name() {
    let kms = Kms::start().await;
    let request = kms.honest_request().await;
    let body = request.body().to_string().replace(r#""callData":"#, r#""callData":"0x","callData":"#);
    let sponsor = kms.client.post(format!("{}/kms/sponsor-user-operation", kms.url));
    let error = kms.send(sponsor.header("content-type", "application/json").body(body)).await;
    let error = error.refused(400, "invalid_field");
    assert!(message(&error).contains("duplicate key `callData`"), "{error}");
}
