//! A hostile gateway: it gets nothing but signed commands, and its answers are not trusted.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{ADMIN, RELAY, result, setup, write_key};
use crate::support::{Key, run, run_answering};

/// A gateway that answers every command as configured, and keeps what was posted to it.
#[derive(Clone)]
struct Gateway {
    answer: (StatusCode, &'static str),
    posted: Arc<Mutex<Vec<Value>>>,
}

impl Gateway {
    async fn start(status: u16, body: &'static str) -> (String, Self) {
        let gateway = Self { answer: (StatusCode::from_u16(status).unwrap(), body), posted: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().fallback(respond).with_state(gateway.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (url, gateway)
    }

    fn posted(&self) -> Vec<Value> {
        self.posted.lock().unwrap().clone()
    }
}

async fn respond(State(gateway): State<Gateway>, method: Method, body: Bytes) -> Response {
    if method == Method::GET {
        let admin = Key::new(ADMIN).address().to_string();
        let permissions = ["sponsor\u{202e}\u{9b}"];
        let signer =
            json!({ "record": 1, "authorisedAs": RELAY, "address": RELAY, "permissions": permissions, "rotations": 0 });
        let protection = json!({ "storage": "none", "rollback": "none", "time": "none" });
        // Every field of `/admin/signers` and of `/version`.
        let answer = json!({
            "teeId": tee_id(),
            "counter": 1,
            "phase": "ready",
            "admin": admin,
            "signers": [signer],
            "service": "super-relay-kms",
            "version": "0.1.0",
            "tee": {
                "id": tee_id(),
                "mode": "simulator",
                "version": "0.1.0",
                "measurement": tee_id(),
                "protection": protection,
            },
        });
        return (StatusCode::OK, answer.to_string()).into_response();
    }
    gateway.posted.lock().unwrap().push(serde_json::from_slice(&body).unwrap_or_default());
    let (status, body) = gateway.answer;
    (status, [(header::LOCATION, "/elsewhere")], body).into_response()
}

async fn revoke(url: &str) -> Result<Value, String> {
    let folder = TempDir::new().unwrap();
    let key = folder.path().join("admin.key");
    write_key(&key, 0o600);
    let arguments =
        ["admin", "--kms", url, "--tee-id", &tee_id(), "--key-file", key.to_str().unwrap(), "revoke", RELAY];
    result(run(&arguments).await)
}

/// The ID of the TEE that the gateway claims to serve.
fn tee_id() -> String {
    format!("0x{}", "1d".repeat(32))
}

#[tokio::test]
async fn a_gateway_that_serves_another_tee_than_the_one_commanded_gets_nothing_signed() {
    let folder = TempDir::new().unwrap();
    let (file, key) = (folder.path().join("tee.json"), folder.path().join("admin.key"));
    std::fs::write(&file, setup().to_string()).unwrap();
    write_key(&key, 0o600);
    let (file, key) = (file.to_str().unwrap(), key.to_str().unwrap());
    let (url, gateway) = Gateway::start(200, r#"{"success":true}"#).await;
    let other = format!("0x{}", "1e".repeat(32));
    let commands: [&[&str]; 6] = [
        &["provision", file],
        &["set-ceilings", file],
        &["authorize", RELAY],
        &["revoke", RELAY],
        &["prepare-paymaster-key"],
        &["rotate-paymaster-key", RELAY],
    ];
    for command in commands {
        let refused =
            result(run(&[&["admin", "--kms", &url, "--tee-id", &other, "--key-file", key], command].concat()).await)
                .unwrap_err();
        assert!(refused.contains(&format!("serves the TEE {}, not {other}", tee_id())), "{refused}");
        assert!(refused.contains("nothing was signed"), "{refused}");
        let wallet = |line: &str| panic!("the wallet is asked: {line}");
        let asks = |line: &str| if line.starts_with("super-relay: admin: ") { None } else { wallet(line) };
        let admin = Key::new(ADMIN).address().to_string();
        let arguments = [&["admin", "--kms", &url, "--tee-id", &other, "--admin", &admin], command].concat();
        assert!(result(run_answering(&arguments, asks).await).unwrap_err().contains("nothing was signed"));

        // It is not queried for its TEE either.
        let unnamed = result(run(&[&["admin", "--kms", &url, "--key-file", key], command].concat()).await).unwrap_err();
        assert!(unnamed.contains("which TEE?") && unnamed.contains("--tee-id"), "{unnamed}");
    }
    assert_eq!(gateway.posted(), Vec::<Value>::new());
}

#[tokio::test]
async fn a_signed_command_is_shown_with_its_tee_and_counter() {
    let folder = TempDir::new().unwrap();
    let key = folder.path().join("admin.key");
    write_key(&key, 0o600);
    let (url, gateway) = Gateway::start(200, r#"{"success":true}"#).await;
    let tee_id = tee_id();
    let command = ["--tee-id", &tee_id, "--key-file", key.to_str().unwrap(), "--counter", "7", "revoke", RELAY];
    let output = run(&[&["admin", "--kms", &url], &command[..]].concat()).await;
    assert!(output.status.success());
    let shown: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((&shown["teeId"], &shown["counter"]), (&json!(tee_id), &json!(7)));
    let mut sent = gateway.posted().remove(0);
    sent.as_object_mut().unwrap().remove("signature");
    assert_eq!(sent, shown);
}

#[tokio::test]
async fn only_a_confirmation_counts_as_success() {
    let answers = [
        (403, r#"{"message":"forbidden"}"#),
        (500, "[]"),
        (502, "<html>"),
        (200, "{}"),
        (200, "[]"),
        (200, ""),
        (200, r#"{"success":false}"#),
        (302, r#"{"success":true}"#),
        (307, r#"{"success":true}"#),
    ];
    for (status, body) in answers {
        let (url, gateway) = Gateway::start(status, body).await;
        let refused = revoke(&url).await.unwrap_err();
        assert!(refused.contains("/admin/revoke-signer: "), "{status} {body}: {refused}");
        assert!(refused.contains("signed for counter 2"), "{refused}");
        assert_eq!(gateway.posted().len(), 1);
    }
}

#[tokio::test]
async fn its_messages_are_shown_without_control_characters() {
    let (url, _) = Gateway::start(409, r#"{"error":{"code":"a","message":"\u001b[2Jall\r\ndone\u009b\u202e"}}"#).await;
    let refused = revoke(&url).await.unwrap_err();
    assert!(refused.contains("\u{fffd}[2Jall\u{fffd}\u{fffd}done\u{fffd}\u{fffd} (a)"), "{refused:?}");

    let (url, _) = Gateway::start(200, r#"{"success":true}"#).await;
    let listed = &revoke(&url).await.unwrap()["signers"]["signers"][0];
    assert_eq!(listed["permissions"], json!(["sponsor\u{fffd}\u{fffd}"]));
}

#[tokio::test]
async fn a_signature_that_is_not_by_the_admin_is_not_sent() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("tee.json");
    std::fs::write(&file, setup().to_string()).unwrap();
    let (url, gateway) = Gateway::start(200, r#"{"success":true}"#).await;
    let stranger = |line: &str| Some(Key::new(8).sign_typed_data(line)?.to_string());
    let secret = |line: &str| (line == "The signature:").then(|| "abandon abandon about".to_owned());
    let key = |line: &str| (line == "The signature:").then(|| format!("0x{}", hex::encode([ADMIN; 32])));
    let zeros = |line: &str| (line == "The signature:").then(|| format!("0x{}", "00".repeat(65)));

    let tee_id = tee_id();
    for command in [["revoke", RELAY], ["set-ceilings", file.to_str().unwrap()]] {
        let arguments = [&["admin", "--kms", &url, "--tee-id", &tee_id][..], &command].concat();
        let outputs = [
            run_answering(&arguments, stranger).await,
            run_answering(&arguments, secret).await,
            run_answering(&arguments, key).await,
            run_answering(&arguments, zeros).await,
        ];
        for refused in outputs.map(|output| result(output).unwrap_err()) {
            assert!(refused.contains("nothing was sent"), "{refused}");
            assert!(!refused.contains("abandon") && !refused.contains(&hex::encode([ADMIN; 32])), "{refused}");
        }
    }
    assert_eq!(gateway.posted(), Vec::<Value>::new());
}

#[tokio::test]
async fn the_command_shown_is_the_one_signed_and_sent_in_any_file_format() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("tee.json");
    let setup = setup();
    // The same as a list: fields by position.
    std::fs::write(&file, json!([setup["relyingParties"], setup["ceilings"]]).to_string()).unwrap();
    let (url, gateway) = Gateway::start(200, r#"{"success":true}"#).await;
    let wallet = |line: &str| Some(Key::new(ADMIN).sign_typed_data(line)?.to_string());
    let tee_id = tee_id();
    let arguments = ["admin", "--kms", &url, "--tee-id", &tee_id, "set-ceilings", file.to_str().unwrap()];
    result(run_answering(&arguments, wallet).await).unwrap();

    let mut ceilings = setup["ceilings"].clone();
    ceilings["deployments"][0]["chainId"] = "0x7a69".into();
    assert_eq!(gateway.posted()[0]["ceilings"], ceilings);
}
