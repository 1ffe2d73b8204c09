//! The edge: sizes, keys, ids, batches, WebSocket, shutdown.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::bytes::Bytes;
use devkit::EntryPointVersion::V07;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use jsonrpsee::core::client::{ClientT, ReceivedMessage, TransportReceiverT, TransportSenderT};
use jsonrpsee::rpc_params;
use jsonrpsee_client_transport::ws::WsTransportClientBuilder;
use jsonrpsee_ws_client::WsClientBuilder;
use reqwest::Body;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::support::{ACCOUNT, PATIENCE, Refusal, World, until};

const CHAIN_ID: &str = r#"{"jsonrpc":"2.0","id":1,"method":"pm_chainId","params":[]}"#;

async fn refusal(response: reqwest::Response) -> Refusal {
    let answer: Value = response.json().await.unwrap();
    Refusal::of(&answer["error"])
}

#[tokio::test]
async fn refusals_by_jsonrpsee_are_replaced_by_our_errors() {
    let world =
        World::with(V07, 1, |settings| settings["rpc"] = json!({ "max_body_bytes": 2000, "max_batch": 2 })).await;
    let client = &world.client;
    let oversized = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"pm_chainId","params":["{}"]}}"#, "a".repeat(2000));
    let frame = Ok::<_, Infallible>(Frame::data(Bytes::from(oversized.clone())));
    let of_untold_length = Body::wrap(StreamBody::new(stream::iter([frame])));
    for body in [Body::from(oversized), of_untold_length] {
        let response = client.post(body, &[]).await;
        assert_eq!(response.status(), 413);
        let refusal = refusal(response).await;
        refusal.assert_is(-32600, "body_too_large", false);
        assert_eq!(refusal.data["limit"], "2000");
        assert!(refusal.message.contains("2000 bytes"), "{refusal:?}");
    }

    let response = devkit::http::get(client.url()).await.unwrap();
    assert_eq!(response.status(), 405);
    refusal(response).await.assert_is(-32600, "post_required", false);
}

#[tokio::test]
async fn a_body_that_is_not_sent_as_http_says_is_the_clients_fault() {
    let world = World::new(V07).await;
    let address = world.client.url().trim_start_matches("http://").trim_end_matches('/');
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head =
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    connection.write_all(format!("{head}FFFFFFFFFFFFFFFFF\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains(r#""reason":"body_malformed","retryable":false"#), "{answer}");
}

#[tokio::test]
async fn refusals_of_json_rpc_have_status_200_and_a_reason() {
    let world = World::new(V07).await;
    let without_version = r#"{"id":9,"method":"pm_chainId","params":[]}"#;
    for (body, id, code, reason) in [
        ("", json!(null), -32700, "malformed_json"),
        ("{", json!(null), -32700, "malformed_json"),
        ("[", json!(null), -32700, "malformed_json"),
        ("nonsense", json!(null), -32700, "malformed_json"),
        ("[]", json!(null), -32600, "invalid_request"),
        ("{}", json!(null), -32700, "malformed_json"),
        ("5", json!(null), -32700, "malformed_json"),
        (r#"{"id":1,"method":5}"#, json!(1), -32600, "invalid_request"),
        (without_version, json!(9), -32600, "invalid_request"),
        (&without_version.replace('{', r#"{"jsonrpc":"1.0","#), json!(9), -32600, "invalid_request"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"pm_steal","params":[]}"#, json!(1), -32601, "method_not_found"),
    ] {
        let response = world.client.post(body.to_owned(), &[("x-request-id", "named")]).await;
        assert_eq!(response.status(), 200, "{body}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &id), "{body}");
        let refusal = Refusal::of(&answer["error"]);
        refusal.assert_is(code, reason, false);
        assert_eq!(refusal.data["requestId"], "named", "{body}");
    }
}

/// The answers to messages over one WebSocket.
async fn over_a_web_socket<const COUNT: usize>(world: &World, messages: [&str; COUNT]) -> [Value; COUNT] {
    let url = world.client.url().replace("http", "ws").parse().unwrap();
    let (mut sender, mut receiver) = WsTransportClientBuilder::default().build(url).await.unwrap();
    let mut answers = [const { Value::Null }; COUNT];
    for (message, place) in messages.into_iter().zip(&mut answers) {
        sender.send(message.to_owned()).await.unwrap();
        *place = received(&mut receiver).await;
    }
    answers
}

async fn received(receiver: &mut impl TransportReceiverT<Error: std::fmt::Debug>) -> Value {
    let answer = tokio::time::timeout(PATIENCE, receiver.receive()).await.expect("an answer");
    match answer.unwrap() {
        ReceivedMessage::Text(answer) => serde_json::from_str(&answer).unwrap(),
        ReceivedMessage::Bytes(answer) => serde_json::from_slice(&answer).unwrap(),
        ReceivedMessage::Pong => Value::Null,
    }
}

/// The two halves of a WebSocket that answers no ping, so that it can be written to while nothing
/// is read from it.
async fn bare_web_socket(world: &World) -> (OwnedReadHalf, OwnedWriteHalf) {
    let address = world.client.url().trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).await.unwrap();
    let handshake = "GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                     sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    stream.write_all(handshake.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"));
    stream.into_split()
}

/// A text frame of a client (RFC 6455, section 5.2), masked with zeros.
fn text_frame(text: &str) -> Vec<u8> {
    let length = u64::try_from(text.len()).unwrap().to_be_bytes();
    [&[0x81, 0x80 | 127][..], &length, &[0; 4], text.as_bytes()].concat()
}

/// The next text frame of the server.
async fn read_text(stream: &mut OwnedReadHalf) -> String {
    loop {
        let opcode = stream.read_u8().await.unwrap() & 0x0f;
        let length = match stream.read_u8().await.unwrap() {
            126 => usize::from(stream.read_u16().await.unwrap()),
            127 => usize::try_from(stream.read_u64().await.unwrap()).unwrap(),
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await.unwrap();
        if opcode == 1 {
            return String::from_utf8(payload).unwrap();
        }
    }
}

#[tokio::test]
async fn a_web_socket_that_reads_late_is_read_from_again_and_gets_every_answer() {
    // All answers together are far larger than the socket buffers at both ends.
    const BATCHES: usize = 200;
    let world = World::new(V07).await;
    let (mut reading, mut writing) = bare_web_socket(&world).await;
    let call = |entry| json!({ "jsonrpc": "2.0", "id": entry, "method": "pm_chainId" });
    let batch = format!("{}{}", Value::from_iter((0..500).map(call)), " ".repeat(200_000));
    let notification = r#"[{"jsonrpc":"2.0","method":"pm_chainId"}]"#;
    let sending = tokio::spawn(async move {
        for _ in 0..BATCHES {
            writing.write_all(&text_frame(notification)).await.unwrap();
            writing.write_all(&text_frame(&batch)).await.unwrap();
        }
        writing
    });
    let is_all_read = tokio::time::timeout(Duration::from_secs(3), until(async || sending.is_finished())).await;
    assert!(is_all_read.is_err(), "everything was read though nothing was taken");
    for _ in 0..BATCHES {
        let answer = tokio::time::timeout(PATIENCE, read_text(&mut reading)).await.expect("an answer");
        assert_eq!(serde_json::from_str::<Value>(&answer).unwrap().as_array().map(Vec::len), Some(500));
    }
    let mut writing = sending.await.unwrap();
    writing.write_all(&text_frame(CHAIN_ID)).await.unwrap();
    let answer: Value = serde_json::from_str(&read_text(&mut reading).await).unwrap();
    assert_eq!(answer["result"], "0x7a69");
}

#[tokio::test]
async fn an_empty_batch_is_refused_with_a_reason_over_a_web_socket_too() {
    let world = World::new(V07).await;
    let [answer] = over_a_web_socket(&world, ["[]"]).await;
    Refusal::of(&answer["error"]).assert_is(-32600, "invalid_request", false);
}

#[tokio::test]
async fn refusals_before_any_call_have_the_same_reason_over_web_socket_and_http() {
    let world =
        World::with(V07, 1, |settings| settings["rpc"] = json!({ "max_body_bytes": 2000, "max_batch": 2 })).await;
    let too_many = format!("[{CHAIN_ID},{CHAIN_ID},{CHAIN_ID}]");
    let too_long = CHAIN_ID.replace("[]", &format!("[{}]", "1".repeat(2000)));
    let unusable = r#"{"jsonrpc":"2.0","id":-1,"method":"pm_chainId"}"#;
    let answers =
        over_a_web_socket(&world, ["nonsense", r#"{"id":1,"method":5}"#, unusable, &too_many, &too_long]).await;
    Refusal::of(&answers[0]["error"]).assert_is(-32700, "malformed_json", false);
    Refusal::of(&answers[1]["error"]).assert_is(-32600, "invalid_request", false);
    assert_eq!(answers[1]["id"], 1);
    Refusal::of(&answers[2]["error"]).assert_is(-32600, "invalid_request", false);
    let each = answers[3].as_array().unwrap();
    assert_eq!(each.len(), 3);
    for answer in each {
        assert_eq!(answer["id"], 1);
        Refusal::of(&answer["error"]).assert_is(-32600, "batch_too_large", false);
    }
    let too_large = Refusal::of(&answers[4]["error"]);
    too_large.assert_is(-32600, "body_too_large", false);
    assert_eq!(too_large.data["limit"], "2000");
    let [batch] = over_a_web_socket(&world, [&format!("[{unusable},{CHAIN_ID}]")]).await;
    assert_eq!(batch.as_array().unwrap().len(), 2);

    // A handshake without a key.
    let request = devkit::http::client().get(world.client.url());
    let response = request.header("connection", "upgrade").header("upgrade", "websocket").send().await.unwrap();
    assert_eq!(response.status(), 400);
    refusal(response).await.assert_is(-32600, "invalid_handshake", false);
}

#[tokio::test]
async fn every_call_of_a_batch_is_answered_by_itself() {
    let world = World::with(V07, 1, |_| {}).await;
    let wrong = r#"{"jsonrpc":"2.0","id":2,"method":"pm_chainId","params":[1]}"#;
    let missing = r#"{"jsonrpc":"2.0","id":3,"method":"pm_steal"}"#;
    let notification = r#"{"jsonrpc":"2.0","method":"pm_chainId"}"#;
    let batch = format!("[{CHAIN_ID},{wrong},{missing},5,{notification}]");
    let response = world.client.post(batch, &[("x-request-id", "named")]).await;
    let answers: Vec<Value> = response.json().await.unwrap();
    assert_eq!(answers[0]["result"], "0x7a69");
    Refusal::of(&answers[1]["error"]).assert_is(-32602, "invalid_field", false);
    Refusal::of(&answers[2]["error"]).assert_is(-32601, "method_not_found", false);
    Refusal::of(&answers[3]["error"]).assert_is(-32600, "invalid_request", false);
    assert!(answers[1..].iter().all(|answer| answer["error"]["data"]["requestId"] == "named"), "{answers:?}");
    assert_eq!(answers.len(), 4, "a notification has no answer");
}

#[tokio::test]
async fn a_request_with_an_id_that_no_answer_can_carry_is_refused_alone_and_in_a_batch() {
    let world = World::new(V07).await;
    for id in ["-1", "1.5", "1e400", "true", "{}", "[1]", "18446744073709551616", r#""\ud800""#, r#"1,"id":1"#] {
        let request = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"pm_chainId"}}"#);
        let response = world.client.post(request.clone(), &[("x-request-id", "named")]).await;
        assert_eq!(response.status(), 200, "{id}");
        let alone: Value = response.json().await.unwrap();
        let batch = format!("\n [ {request} , {CHAIN_ID} ]");
        let batch: Value = world.client.post(batch, &[("x-request-id", "named")]).await.json().await.unwrap();
        assert_eq!(batch[1]["result"], "0x7a69", "{id}");
        for answer in [&alone, &batch[0]] {
            assert_eq!((&answer["jsonrpc"], answer.get("id")), (&json!("2.0"), Some(&Value::Null)), "{id}");
            let refusal = Refusal::of(&answer["error"]);
            refusal.assert_is(-32600, "invalid_request", false);
            assert_eq!(refusal.data["requestId"], "named", "{id}");
        }
    }
    let lists = r#"[["2.0","pm_chainId",null],["2.0",1,"pm_chainId"]]"#.to_owned();
    let answers: Vec<Value> = world.client.post(lists, &[]).await.json().await.unwrap();
    assert_eq!(answers.len(), 2);
    for answer in answers {
        Refusal::of(&answer["error"]).assert_is(-32600, "invalid_request", false);
    }
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_invalid_json() {
    let world = World::new(V07).await;
    for body in [&b"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"pm_chainId\"}"[..], &b"[\"\xff\"]"[..]] {
        let response = world.client.post(body, &[]).await;
        assert_eq!(response.status(), 200);
        refusal(response).await.assert_is(-32700, "malformed_json", false);
    }
}

#[tokio::test]
async fn a_notification_over_http_gets_no_body() {
    let world = World::new(V07).await;
    let notification = r#"{"jsonrpc":"2.0","method":"pm_chainId"}"#;
    for body in [notification.to_owned(), format!("[{notification},{notification}]")] {
        let response = world.client.post(body, &[]).await;
        assert_eq!(response.status(), 200);
        assert!(response.headers().contains_key("x-request-id"));
        assert_eq!(response.text().await.unwrap(), "");
    }
    let with_null = CHAIN_ID.replace(r#""id":1"#, r#""id":null"#);
    let answer: Value = world.client.post(with_null, &[]).await.json().await.unwrap();
    assert_eq!(answer, json!({ "jsonrpc": "2.0", "id": null, "result": "0x7a69" }), "null is an id");
}

#[tokio::test]
async fn parameters_that_cannot_be_read_are_told_from_those_that_are_no_list() {
    let world = World::new(V07).await;
    for (params, words) in [
        (r#"[{"sender":1e400}]"#, "number out of range"),
        (r#"["\ud800"]"#, "hex escape"),
        (r#"{"sender":"0x"}"#, "expected a list"),
        ("5", "expected a list"),
    ] {
        let request = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"pm_chainId","params":{params}}}"#);
        let refusal = refusal(world.client.post(request, &[]).await).await;
        refusal.assert_is(-32602, "invalid_field", false);
        assert!(refusal.message.contains(words), "{refusal:?}");
    }
}

#[tokio::test]
async fn a_request_id_of_the_caller_is_kept_if_it_is_sane() {
    let world = World::with(V07, 1, |_| {}).await;
    let wrong = r#"{"jsonrpc":"2.0","id":2,"method":"pm_chainId","params":[1]}"#;
    for (given, kept) in [("trace-1", true), ("a b", false), (&"x".repeat(65), false)] {
        let response = world.client.post(wrong.to_owned(), &[("x-request-id", given)]).await;
        let header = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let in_body = refusal(response).await.data["requestId"].clone();
        assert_eq!(in_body, header);
        assert_eq!(header == given, kept, "{given}");
    }
}

#[tokio::test]
async fn a_web_socket_serves_the_same_methods_and_names_every_call() {
    let world = World::new(V07).await;
    let socket = WsClientBuilder::default().build(world.client.url().replace("http", "ws")).await.unwrap();
    let entry_points: Vec<String> = socket.request("pm_supportedEntryPoints", rpc_params![]).await.unwrap();
    assert_eq!(entry_points, [world.entry_point()]);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let error = socket.request::<Value, _>("pm_get_account_info", rpc_params!["nobody"]).await.unwrap_err();
        let jsonrpsee::core::client::Error::Call(error) = error else { panic!("{error}") };
        let error = json!({ "code": error.code(), "message": error.message(), "data": error.data() });
        ids.push(Refusal::of(&error).data["requestId"].clone());
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_shutdown_lets_requests_in_flight_finish() {
    let mut world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let passkey = world.approval(&mut dapp, &op).await;
    world.tee.hold();
    let client = world.client.clone();
    let request = tokio::spawn(async move { client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey])).await });
    until(async || world.sponsorships() == 1).await;

    let (url, tee) = (world.client.url().to_owned(), Arc::clone(&world.tee));
    let release = async {
        until(async || devkit::http::client().post(&url).body(CHAIN_ID).send().await.is_err()).await;
        assert!(!request.is_finished(), "nobody listens any more");
        tee.release();
    };
    let ((), ()) = tokio::join!(world.stop(), release);
    assert_eq!(request.await.unwrap().unwrap()["success"], true);
}

#[tokio::test]
async fn metrics_have_only_labels_of_ours() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    world.sponsor(&mut dapp, &op).await.unwrap();
    world.client.call("pm_get_account_info", json!(["nobody"])).await.unwrap_err();
    let text = prometheus::TextEncoder::new().encode_to_string(&world.registry.gather()).unwrap();
    for line in [
        r#"relay_requests_total{method="pm_sponsor_with_tee",reason="ok"} 1"#,
        r#"relay_requests_total{method="pm_get_account_info",reason="account_unknown"} 1"#,
        r#"relay_stage_seconds_count{stage="sign"} 1"#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}
