//! The OpenRPC document: it is valid, covers the registered methods, and answers match it.

use std::collections::BTreeSet;

use boon::{Compiler, Schemas};
use devkit::EntryPointVersion::V07;
use jsonrpsee_ws_client::WsClientBuilder;
use relay_api::RelayApiClient as _;
use serde_json::{Value, json};

use crate::support::World;

/// Asserts that the value matches this part of the schema document.
pub fn assert_is(value: &Value, document: &Value, part: &str) {
    const URL: &str = "http://localhost/document.json";
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.set_default_draft(boon::Draft::V7);
    compiler.add_resource(URL, document.clone()).unwrap();
    let schema = compiler.compile(&format!("{URL}#{part}"), &mut schemas).unwrap_or_else(|error| panic!("{error:#}"));
    schemas.validate(value, schema).unwrap_or_else(|error| panic!("{part}: {error:#}"));
}

/// The document, requested through the client half of the methods' own trait.
pub async fn document(world: &World) -> Value {
    let client = WsClientBuilder::default().build(world.client.url().replace("http", "ws")).await.unwrap();
    serde_json::from_str(client.discover().await.unwrap().json()).unwrap()
}

#[tokio::test]
async fn the_document_is_open_rpc_about_the_methods_that_are_registered() {
    let world = World::new(V07).await;
    let document = document(&world).await;
    let meta_schema: Value = serde_json::from_str(include_str!("open-rpc/meta-schema.json")).unwrap();
    assert_is(&document, &meta_schema, "");

    let described: BTreeSet<_> =
        document["methods"].as_array().unwrap().iter().map(|method| method["name"].as_str().unwrap()).collect();
    assert_eq!(described, world.relay.rpc.method_names().into_iter().collect());
    let refusal = world.client.call("pm_steal", json!([])).await.unwrap_err();
    let supported: BTreeSet<_> =
        refusal.data["supported"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(described, supported);
}

#[tokio::test]
async fn every_reference_in_the_document_is_to_a_part_of_it() {
    let world = World::new(V07).await;
    let document = document(&world).await;
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 100, "{references:?}");
    for reference in references {
        let part = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(part).is_some(), "{reference}");
    }
}

fn collect<'v>(value: &'v Value, references: &mut Vec<&'v str>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

#[tokio::test]
async fn a_refusal_is_among_the_errors_of_its_method() {
    let world = World::new(V07).await;
    let document = document(&world).await;
    let mut alice = world.dapp("alice").await;
    let op = alice.first_op(1);
    let passkey = world.approval(&mut alice, &op).await;
    let mut other = op.clone();
    other["nonce"] = "0x1".into();
    let options = json!({ "policyId": "none" });
    for (method, params) in [
        ("pm_chainId", json!([1])),
        ("pm_get_account_info", json!(["nobody"])),
        ("pm_createAccountInvitation", json!([])),
        ("pm_getSponsorshipIntent", json!([op, "alice", options])),
        ("pm_getPaymasterData", json!([op, world.entry_point(), "0x1", null])),
        ("pm_sponsor_with_tee", json!([other, "alice", passkey])),
        ("pm_sponsor_with_tee", json!([op, "alice", null])),
    ] {
        let refusal = world.client.call(method, params).await.unwrap_err();
        let methods = document["methods"].as_array().unwrap();
        let errors =
            methods.iter().find(|described| described["name"] == method).unwrap()["errors"].as_array().unwrap();
        let listed = errors.iter().any(|error| {
            let error = document.pointer(&error["$ref"].as_str().unwrap()[1..]).unwrap();
            error["code"] == refusal.code && error["data"]["reason"] == refusal.data["reason"]
        });
        assert!(listed, "{method}: {refusal:?}");
    }
}
