//! Text from callers, in answers and in the log, is short and on one line, whatever and wherever
//! they send.

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};

use crate::support::{Setup, Signal, TeeAccount, World};

const LONG: usize = 200_000;
/// Bytes of an answer or a log line of ours, whatever it is about.
const SHORT: usize = 4096;
/// Characters that a terminal or a line reader would interpret.
const HOSTILE: &str = "\u{1b}[31m\u{202e}\n{\"level\":\"ERROR\"}";

async fn post(url: String, body: String, headers: &[(&str, &str)]) -> String {
    let mut request = devkit::http::client().post(url).header("content-type", "application/json").body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap().text().await.unwrap()
}

/// A request for every place of JSON-RPC that takes a text.
fn rpc_requests(operation: &Value, id: &str, long: &str) -> Vec<Value> {
    let call = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let sponsor = |op: Value, id: Value, passkey: Value, options: Value| {
        call("pm_sponsor_with_tee", json!([op, id, passkey, options]))
    };
    let op_with = |name: &str, value: Value| {
        let mut op = operation.clone();
        op[name] = value;
        op
    };
    let plain = |options: Value| sponsor(operation.clone(), json!(id), Value::Null, options);
    let stub = |entry_point: Value, chain_id: Value, context: Value| {
        call("pm_getPaymasterStubData", json!([operation, entry_point, chain_id, context]))
    };
    let entry_point = json!("0x0000000071727De22E5E9d8BAf0edAc6f37da032");
    let mut requests = vec![
        call(long, json!([])),
        call("pm_get_account_info", json!([long])),
        sponsor(operation.clone(), json!(long), Value::Null, Value::Null),
        sponsor(op_with(long, json!("0x")), json!(id), Value::Null, Value::Null),
        plain(json!({ long: 1 })),
        stub(json!(long), json!("0x7a69"), Value::Null),
        stub(entry_point.clone(), json!(long), Value::Null),
    ];
    for name in ["policyId", "idempotencyKey", "entryPoint", "chainId"] {
        requests.push(plain(json!({ name: long })));
    }
    for name in ["sender", "nonce", "callData", "maxFeePerGas", "factory", "factoryData", "signature", "eip7702Auth"] {
        requests.push(sponsor(op_with(name, json!(long)), json!(id), Value::Null, Value::Null));
    }
    for name in ["accountId", "policyId", "sponsorshipPolicyId", "idempotencyKey", "validForSeconds", "passkey", long] {
        requests.push(stub(entry_point.clone(), json!("0x7a69"), json!({ name: long })));
    }
    for passkey in [json!({ long: 1 }), json!({ "id": long, "rawId": long, "type": long, "response": { long: 1 } })] {
        requests.push(sponsor(operation.clone(), json!(id), passkey, Value::Null));
    }
    requests
}

#[tokio::test]
async fn no_text_of_a_caller_fills_an_answer_or_the_log() {
    let roomy = |configuration: &mut Value| configuration["relay"]["rpc"] = json!({ "max_body_bytes": 2_000_000 });
    let mut world: World = Setup::of(V07).configure(roomy).start().await;
    let account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let (rpc, kms, ops) = (world.node.url("rpc"), world.node.url("kms"), world.node.url("ops"));
    for long in ["x".repeat(LONG), HOSTILE.repeat(LONG / HOSTILE.len())] {
        for request in rpc_requests(&operation, &account.id, &long) {
            let answer = post(rpc.clone(), request.to_string(), &[]).await;
            let is_refused = serde_json::from_str::<Value>(&answer).unwrap()["error"].is_object();
            assert!(is_refused && answer.len() < SHORT, "{} bytes for {request:.200}", answer.len());
        }
        for (path, body) in [
            ("/webauthn/register/begin", json!({ long.as_str(): 1 })),
            ("/webauthn/register/finish", json!({ "registrationId": long, "credential": {} })),
            ("/kms/create-deterministic-account", json!({ "registrationId": long })),
            ("/kms/sponsor-user-operation", json!({ long.as_str(): 1 })),
            ("/kms/sign-user-operation", json!({ "userOperation": { long.as_str(): 1 } })),
            ("/admin/authorize-signer", json!({ "signer": long })),
        ] {
            let mut body = body.to_string();
            body.truncate(250_000);
            let answer = post(format!("{kms}{path}"), body, &[]).await;
            assert!(answer.len() < SHORT, "{} bytes of {path}", answer.len());
        }
    }
    // As long as headers and paths may be.
    let long = "y".repeat(4000);
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "pm_chainId" }).to_string();
    for name in ["x-request-id", "content-encoding", "origin", "x-api-key", "authorization", "content-type"] {
        for url in [&rpc, &kms] {
            let answer = post(url.clone(), call.clone(), &[(name, &long)]).await;
            assert!(answer.len() < SHORT, "{} bytes for {name}", answer.len());
        }
    }
    for url in [&rpc, &kms, &ops] {
        let answer = post(format!("{url}/{long}"), call.clone(), &[]).await;
        assert!(answer.len() < SHORT, "{} bytes for a path", answer.len());
    }

    world.node.signal(Signal::TERM);
    assert!(world.node.ended().await.success());
    for line in world.node.log() {
        assert!(line.len() < SHORT, "a line of {} bytes: {line:.300}", line.len());
        assert!(serde_json::from_str::<Value>(&line).is_ok(), "a line of the log is one of ours: {line:.300}");
        assert!(!line.contains(|c: char| c.is_control() || c == '\u{202e}'), "{line:.300}");
    }
}
