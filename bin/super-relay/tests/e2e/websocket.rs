//! The same methods over a WebSocket.

use devkit::EntryPointVersion::V07;
use jsonrpsee::core::client::{ClientT, Error};
use jsonrpsee::rpc_params;
use jsonrpsee_ws_client::WsClientBuilder;
use proto::{EntryPoint, EntryPointVersion};
use relay_api::{CredentialRequest, Param, RelayApiClient as _};
use serde_json::{Value, json};

use crate::support::{TeeAccount, World};

#[path = "../../examples/sponsor/client.rs"]
mod example;

#[tokio::test]
async fn one_connection_carries_a_sponsorship_from_intent_to_answer() {
    let world = World::start(V07).await;
    let client = WsClientBuilder::default().build(format!("ws://{}", world.node.address("rpc"))).await.unwrap();
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;

    let op = || operation.clone().into();
    let intent = client.intent(op(), account.id.as_str().into(), Param::absent()).await.unwrap();
    let assertion = account.passkey.assert(&json!(intent.webauthn)).unwrap();
    let answer = client.sponsor(op(), account.id.as_str().into(), assertion.into(), Param::absent()).await.unwrap();
    let answer = answer.sponsored().unwrap();

    assert!(world.entry_point().handle_ops(&answer.user_operation.into()).await.unwrap().success);
}

#[tokio::test]
async fn the_rust_example_has_an_operation_sponsored() {
    let world = World::start(V07).await;
    let client = WsClientBuilder::default().build(format!("ws://{}", world.node.address("rpc"))).await.unwrap();
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;

    let passkey = &mut account.passkey;
    let approve = |request: &CredentialRequest| Ok(passkey.assert(&json!(request))?);
    let answer = example::sponsor(&client, &entry_point(&world), &operation, &account.id, approve).await.unwrap();

    assert!(world.entry_point().handle_ops(&answer.user_operation.into()).await.unwrap().success);
}

/// The relay takes the EntryPoint for one of v0.7, so it asks for the approval of another hash.
#[tokio::test]
async fn the_rust_example_asks_for_no_approval_of_another_hash_than_its_own() {
    let world = World::start(V07).await;
    let client = WsClientBuilder::default().build(format!("ws://{}", world.node.address("rpc"))).await.unwrap();
    let account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let another = EntryPoint { version: EntryPointVersion::V08, ..entry_point(&world) };

    let approve = |_: &CredentialRequest| panic!("asked for an approval");
    let refused = example::sponsor(&client, &another, &operation, &account.id, approve).await;

    assert!(refused.unwrap_err().to_string().contains("another operation"));
}

fn entry_point(world: &World) -> EntryPoint {
    EntryPoint { chain_id: 31337, address: world.entry_point().address().into(), version: EntryPointVersion::V07 }
}

#[tokio::test]
async fn every_call_of_a_connection_is_refused_under_its_own_request_id() {
    let world = World::start(V07).await;
    let client = WsClientBuilder::default().build(format!("ws://{}", world.node.address("rpc"))).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let refusal = client.request::<Value, _>("pm_get_account_info", rpc_params!["nobody"]).await;

        let Err(Error::Call(error)) = refusal else { panic!("{refusal:?}") };
        let data: Value = serde_json::from_str(error.data().unwrap().get()).unwrap();
        assert_eq!((&data["reason"], &data["retryable"]), (&json!("account_unknown"), &json!(true)));
        ids.push(data["requestId"].as_str().unwrap().to_owned());
    }
    assert_ne!(ids[0], ids[1]);
}
