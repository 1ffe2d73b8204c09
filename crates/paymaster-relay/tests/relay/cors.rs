//! Pages at other origins: a browser's requests, and the answers.

use std::sync::Arc;

use devkit::EntryPointVersion::V07;
use paymaster_relay::clients::{KeyKind, NewApiKey, Origins};
use reqwest::{Method, Response};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use serve::{Bounds, Listener};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support::{Client, Refusal, World};

const PAGE: &str = "https://dapp.example";
const OTHER: &str = "https://evil.example";
const CHAIN_ID: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}"#;

async fn world(origins: Value) -> World {
    World::with(V07, 1, |settings| settings["rpc"] = json!({ "allowed_origins": origins, "require_api_key": true }))
        .await
}

async fn preflight(world: &World, path: &str, origin: &str) -> Response {
    let request = devkit::http::client().request(Method::OPTIONS, format!("{}{path}", world.client.url()));
    let request = request.header("origin", origin).header("access-control-request-method", "POST");
    request.header("access-control-request-headers", "content-type,authorization").send().await.unwrap()
}

async fn post(world: &World, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = devkit::http::client().post(format!("{}{path}", world.client.url())).body(CHAIN_ID);
    for (name, value) in [("content-type", "application/json")].iter().chain(headers) {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

fn allowed(response: &Response) -> Option<&str> {
    response.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap())
}

async fn publishable(world: &World, origins: &[&str]) -> String {
    let new = NewApiKey {
        label: "page".to_owned(),
        kind: KeyKind::Publishable,
        scopes: Vec::new(),
        policies: vec!["default".to_owned()],
        origins: Origins::parse(origins).unwrap(),
        rate: None,
        quota: None,
        valid_for_seconds: None,
    };
    world.api_keys.generate(new).await.unwrap().1.expose_secret().to_owned()
}

#[tokio::test]
async fn a_preflight_of_a_configured_origin_is_answered_before_authentication() {
    let world = world(json!([PAGE, "http://localhost:5173"])).await;
    for origin in [PAGE, "http://localhost:5173"] {
        let response = preflight(&world, "/", origin).await;
        assert_eq!(response.status(), 204);
        assert_eq!(allowed(&response), Some(origin));
        let headers = response.headers();
        assert_eq!(headers["access-control-allow-methods"], "POST");
        let names = headers["access-control-allow-headers"].to_str().unwrap();
        for name in ["content-type", "authorization", "x-api-key", "x-request-id"] {
            assert!(names.contains(name), "{names}");
        }
        assert_eq!(headers["vary"], "origin");
        assert!(headers.contains_key("x-request-id"));
        assert!(!headers.contains_key("access-control-allow-credentials"));
    }
}

#[tokio::test]
async fn only_configured_origins_are_echoed() {
    let world = world(json!([PAGE])).await;
    for origin in [OTHER, "null", "https://dapp.example.evil.example", "http://dapp.example"] {
        let response = preflight(&world, "/", origin).await;
        assert_eq!((response.status().as_u16(), allowed(&response)), (403, None), "{origin}");
        let answer: Value = response.json().await.unwrap();
        Refusal::of(&answer["error"]).assert_is(-32050, "origin_not_allowed", false);
        assert_eq!(allowed(&post(&world, "/", &[("origin", origin)]).await), None, "{origin}");
    }
    let none = World::new(V07).await;
    assert_eq!(preflight(&none, "/", PAGE).await.status(), 403, "nothing is allowed unless it is set");
    assert_eq!(post(&none, "/", &[]).await.json::<Value>().await.unwrap()["result"], "0x7a69");
}

#[tokio::test]
async fn an_answer_can_be_read_by_the_page_with_its_request_id_whatever_it_says() {
    let world = world(json!([PAGE])).await;
    let refused = post(&world, "/", &[("origin", PAGE)]).await;
    let unknown = post(&world, "/nowhere", &[("origin", PAGE)]).await;
    assert_eq!(unknown.status(), 404);
    let encoded = post(&world, "/", &[("origin", PAGE), ("content-encoding", "gzip")]).await;
    for response in [refused, unknown, encoded] {
        assert_eq!(allowed(&response), Some(PAGE));
        assert_eq!(response.headers()["access-control-expose-headers"], "x-request-id, retry-after");
        assert_eq!(response.headers()["vary"], "origin");
    }
}

#[tokio::test]
async fn with_a_star_every_page_may_call_without_credentials() {
    let world = World::with(V07, 1, |settings| settings["rpc"] = json!({ "allowed_origins": ["*"] })).await;
    for origin in [PAGE, "null"] {
        assert_eq!(allowed(&preflight(&world, "/", origin).await), Some("*"));
        let response = post(&world, "/", &[("origin", origin)]).await;
        assert_eq!(allowed(&response), Some("*"));
        assert!(!response.headers().contains_key("access-control-allow-credentials"));
        assert_eq!(response.json::<Value>().await.unwrap()["result"], "0x7a69");
    }
    assert_eq!(allowed(&post(&world, "/", &[]).await), None, "no page, no header");
}

#[tokio::test]
async fn options_that_is_no_preflight_is_no_post() {
    let world = World::new(V07).await;
    let response = devkit::http::client().request(Method::OPTIONS, world.client.url()).send().await.unwrap();
    assert_eq!(response.status(), 405);
}

#[tokio::test]
async fn on_the_path_of_a_publishable_key_its_own_origins_count() {
    let world = world(json!(["https://other.example"])).await;
    let path = format!("/rpc/{}", publishable(&world, &[PAGE, "chrome-extension://*"]).await);
    for origin in [PAGE, "chrome-extension://abcdefgh"] {
        assert_eq!(allowed(&preflight(&world, &path, origin).await), Some(origin));
        let response = post(&world, &path, &[("origin", origin)]).await;
        assert_eq!(allowed(&response), Some(origin));
        assert_eq!(response.json::<Value>().await.unwrap()["result"], "0x7a69", "{origin}");
    }
    for origin in [Some(OTHER), Some("null"), Some("https://other.example"), None] {
        if let Some(origin) = origin {
            assert_eq!(preflight(&world, &path, origin).await.status(), 403, "{origin}");
        }
        let headers: Vec<_> = origin.iter().map(|origin| ("origin", *origin)).collect();
        let response = post(&world, &path, &headers).await;
        assert_eq!((response.status().as_u16(), allowed(&response)), (200, None), "{origin:?}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["id"], 1);
        let refusal = Refusal::of(&answer["error"]);
        refusal.assert_is(-32050, "origin_not_allowed", false);
        assert!(refusal.message.contains(origin.unwrap_or("without an Origin")), "{refusal:?}");
    }
    let for_apps = format!("/rpc/{}", publishable(&world, &["missing", "null"]).await);
    for headers in [&[][..], &[("origin", "null")]] {
        assert_eq!(post(&world, &for_apps, headers).await.json::<Value>().await.unwrap()["result"], "0x7a69");
    }
}

#[tokio::test]
async fn a_publishable_key_without_origins_is_for_every_page_without_credentials() {
    let world = world(json!([])).await;
    let path = format!("/rpc/31337/{}", publishable(&world, &[]).await);
    for origin in [PAGE, OTHER, "null"] {
        let preflight = preflight(&world, &path, origin).await;
        let response = post(&world, &path, &[("origin", origin)]).await;
        for answer in [&preflight, &response] {
            assert_eq!(allowed(answer), Some("*"));
            assert!(!answer.headers().contains_key("access-control-allow-credentials"));
        }
        assert_eq!(response.json::<Value>().await.unwrap()["result"], "0x7a69");
    }
    assert_eq!(post(&world, &path, &[]).await.json::<Value>().await.unwrap()["result"], "0x7a69");
}

#[tokio::test]
async fn a_page_can_read_why_the_key_in_its_path_is_refused() {
    let world = world(json!([])).await;
    assert_eq!(allowed(&preflight(&world, "/rpc/srk_nobody", PAGE).await), Some("*"));
    let response = post(&world, "/rpc/srk_nobody", &[("origin", PAGE)]).await;
    assert_eq!((response.status().as_u16(), allowed(&response)), (200, Some("*")));
    let answer: Value = response.json().await.unwrap();
    Refusal::of(&answer["error"]).assert_is(-32050, "unauthorised", false);
}

/// A WebSocket has no preflight.
#[tokio::test]
async fn a_web_socket_of_another_page_is_refused() {
    let world = World::with(V07, 1, |settings| settings["rpc"] = json!({ "allowed_origins": [PAGE] })).await;
    let upgrade = async |origin: Option<&str>| {
        let mut request = devkit::http::client().get(world.client.url());
        for (name, value) in [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            request = request.header(name, value);
        }
        let request = match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        };
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(upgrade(Some(PAGE)).await, 101);
    assert_eq!(upgrade(None).await, 101);
    assert_eq!(upgrade(Some(OTHER)).await, 403);
    assert_eq!(upgrade(Some("null")).await, 403);
}

/// Another port of the same relay, with these bounds.
async fn port(world: &World, bounds: Bounds) -> Client {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(format!("http://{}", tcp.local_addr().unwrap()));
    let listener = Listener::new(tcp, bounds);
    tokio::spawn(Arc::clone(&world.relay.rpc).serve(listener, CancellationToken::new()));
    client
}

#[tokio::test]
async fn a_page_can_read_a_refusal_of_a_full_port_and_its_preflight_is_answered() {
    let world = world(json!([PAGE])).await;
    let full = port(&world, Bounds { total: 0, ..Bounds::default() }).await;
    let asked = devkit::http::client().request(Method::OPTIONS, full.url()).header("origin", PAGE);
    let asked = asked.header("access-control-request-method", "POST").send().await.unwrap();
    assert_eq!((asked.status().as_u16(), allowed(&asked)), (204, Some(PAGE)));

    let refused = full.post(CHAIN_ID, &[("origin", PAGE), ("x-request-id", "mine")]).await;
    assert_eq!((refused.status().as_u16(), allowed(&refused)), (503, Some(PAGE)));
    assert_eq!(
        (&refused.headers()["retry-after"], &refused.headers()["x-request-id"]),
        (&"1".parse().unwrap(), &"mine".parse().unwrap())
    );
    let exposed = refused.headers()["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.contains("retry-after"), "{exposed}");
    let answer: Value = refused.json().await.unwrap();
    let refusal = Refusal::of(&answer["error"]);
    refusal.assert_is(-32005, "too_many_connections", true);
    assert_eq!(refusal.data["requestId"], "mine");

    let elsewhere = full.post(CHAIN_ID, &[("origin", OTHER)]).await;
    assert_eq!((elsewhere.status().as_u16(), allowed(&elsewhere)), (503, None));
}

#[tokio::test]
async fn a_web_socket_above_the_share_is_refused_with_a_reason_and_http_is_served() {
    let world = world(json!(["*"])).await;
    let port = port(&world, Bounds { upgraded: 0, ..Bounds::default() }).await;
    let upgrade = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let mut request = devkit::http::client().get(port.url());
    for (name, value) in upgrade {
        request = request.header(name, value);
    }
    let refused = request.send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    let answer: Value = refused.json().await.unwrap();
    let refusal = Refusal::of(&answer["error"]);
    refusal.assert_is(-32005, "too_many_websockets", true);
    assert_eq!(refusal.data["limit"], "0");
    // The latter offers HTTP/2.
    for headers in [&[][..], &[("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c")]] {
        assert_eq!(port.post(CHAIN_ID, headers).await.status(), 200);
    }
}
