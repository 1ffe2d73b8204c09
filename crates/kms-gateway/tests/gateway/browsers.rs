//! A browser's behaviour for a page before and after a request (Fetch, "CORS protocol").

use std::path::Path;
use std::sync::Arc;

use kms_gateway::Settings;
use kms_gateway::settings::{AccountCreation, ApiKeySettings};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use serve::{Bounds, Listener};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support::{Gate, GatedTee, Kms, ORIGIN, settings};

const STRANGER: &str = "http://evil.example";
const FOR_PAGES: [(&str, &str); 9] = [
    ("POST", "/webauthn/register/begin"),
    ("POST", "/webauthn/register/finish"),
    ("POST", "/kms/create-deterministic-account"),
    ("GET", "/kms/accounts/alice"),
    ("POST", "/kms/sign-message"),
    ("GET", "/health"),
    ("GET", "/version"),
    ("GET", "/stats"),
    ("GET", "/attestation"),
];
const FOR_SERVERS: [(&str, &str); 4] = [
    ("POST", "/kms/sponsor-user-operation"),
    ("POST", "/kms/sign-user-operation"),
    ("POST", "/admin/provision"),
    ("GET", "/admin/signers"),
];

impl Kms {
    async fn preflight(&self, origin: &str, method: &str, path: &str) -> (StatusCode, HeaderMap) {
        let response = self
            .client
            .request(Method::OPTIONS, format!("{}{path}", self.url))
            .header("origin", origin)
            .header("access-control-request-method", method)
            .header("access-control-request-headers", "authorization,content-type,x-api-key,x-request-id")
            .send()
            .await
            .unwrap();
        (response.status(), response.headers().clone())
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn only_pages_at_configured_origins_are_allowed() {
    let kms = Kms::start().await;
    for (method, path) in FOR_PAGES {
        let (status, headers) = kms.preflight(ORIGIN, method, path).await;
        assert_eq!((status, text(&headers, "access-control-allow-origin")), (StatusCode::OK, Some(ORIGIN)), "{path}");
        assert!(text(&headers, "access-control-allow-methods").unwrap().contains(method));
        let allowed = text(&headers, "access-control-allow-headers").unwrap();
        for name in ["content-type", "authorization", "x-api-key", "x-request-id"] {
            assert!(allowed.contains(name), "{allowed}");
        }
        assert!(text(&headers, "vary").unwrap().contains("origin"));
        assert!(text(&headers, "x-request-id").is_some());
        assert_eq!(text(&headers, "access-control-allow-credentials"), None);
        for origin in [STRANGER, "null", "http://localhost:5174", "https://localhost:5173"] {
            let (_, headers) = kms.preflight(origin, method, path).await;
            assert_eq!(text(&headers, "access-control-allow-origin"), None, "{origin} {path}");
        }
    }
}

/// A browser sends no key with a preflight.
#[tokio::test]
async fn a_preflight_is_answered_before_authentication_where_a_key_is_needed() {
    let authorised = |folder: &Path| Settings {
        account_creation: AccountCreation::Authorised,
        api_keys: vec![ApiKeySettings { label: "shop".into(), hash: "11".repeat(32) }],
        ..settings(folder)
    };
    let kms = Kms::over_tee_with(authorised, Arc::new(GatedTee::start(8, Gate::default()))).await;
    for (method, path) in FOR_PAGES {
        let (status, headers) = kms.preflight(ORIGIN, method, path).await;
        assert_eq!((status, text(&headers, "access-control-allow-origin")), (StatusCode::OK, Some(ORIGIN)), "{path}");
    }
    // The actual request needs one, and the page can read the refusal.
    let begin = kms.client.post(format!("{}/webauthn/register/begin", kms.url)).header("origin", ORIGIN);
    let refused = begin.json(&json!({ "userName": "alice" })).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(text(refused.headers(), "access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(refused.json::<Value>().await.unwrap()["error"]["code"], "creation_unauthorised");
}

#[tokio::test]
async fn no_page_may_call_routes_of_relays_and_admins() {
    let kms = Kms::start().await;
    for (method, path) in FOR_SERVERS {
        let (_, headers) = kms.preflight(ORIGIN, method, path).await;
        assert_eq!(text(&headers, "access-control-allow-origin"), None, "{path}");
    }
}

/// The request of a page whose name resolves to this port (DNS rebinding): same-origin for the
/// browser.
#[tokio::test]
async fn a_page_at_another_origin_is_refused_on_routes_of_relays_and_admins() {
    let kms = Kms::start().await;
    for (method, path) in FOR_SERVERS {
        let ask = |name: &str, value: &str| {
            let request = kms.client.request(method.parse().unwrap(), format!("{}{path}", kms.url));
            kms.send(request.header("host", "evil.example").header(name, value).json(&json!({})))
        };
        for (name, value) in [
            ("origin", STRANGER),
            ("origin", "null"),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "cross-site"),
        ] {
            ask(name, value).await.refused(403, "origin_not_allowed");
        }
        for (name, value) in [("origin", ORIGIN), ("sec-fetch-site", "none"), ("accept", "*/*")] {
            assert_ne!(ask(name, value).await.status, StatusCode::FORBIDDEN, "{name}: {value} {path}");
        }
    }
    kms.send(kms.client.get(format!("{}/health", kms.url)).header("origin", STRANGER)).await.ok();
}

#[tokio::test]
async fn a_page_reads_answers_and_refusals_and_their_request_id() {
    let kms = Kms::start().await;
    let url = format!("{}/webauthn/register/begin", kms.url);
    for (body, status) in [(json!({ "userName": "alice" }), 200), (json!({}), 400)] {
        let response = kms.client.post(&url).header("origin", ORIGIN).json(&body).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(text(response.headers(), "access-control-allow-origin"), Some(ORIGIN));
        let exposed = text(response.headers(), "access-control-expose-headers").unwrap();
        assert!(exposed.contains("x-request-id"), "{exposed}");
        let id = text(response.headers(), "x-request-id").unwrap().to_owned();
        let body: Value = response.json().await.unwrap();
        if status == 400 {
            assert_eq!(body["error"]["requestId"], id);
        }
    }
    // A method that the route does not support is refused readably too.
    let refused = kms.client.delete(&url).header("origin", ORIGIN).send().await.unwrap();
    assert_eq!(refused.status(), 405);
    assert_eq!(text(refused.headers(), "access-control-allow-origin"), Some(ORIGIN));
    // So is an unknown path.
    let nowhere = kms.client.get(format!("{}/nowhere", kms.url)).header("origin", ORIGIN).send().await.unwrap();
    assert_eq!(nowhere.status(), 404);
    assert_eq!(text(nowhere.headers(), "access-control-allow-origin"), Some(ORIGIN));
}

#[tokio::test]
async fn a_page_can_read_a_refusal_of_a_full_port_and_its_preflight_is_answered() {
    let mut kms = Kms::start().await;
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    kms.url = format!("http://{}", tcp.local_addr().unwrap());
    let full = Listener::new(tcp, Bounds { total: 0, ..Bounds::default() });
    tokio::spawn(kms_gateway::serve(full, kms.gateway.clone(), CancellationToken::new()));

    let (status, headers) = kms.preflight(ORIGIN, "POST", "/webauthn/register/begin").await;
    assert_eq!((status, text(&headers, "access-control-allow-origin")), (StatusCode::OK, Some(ORIGIN)));
    for (origin, allowed) in [(ORIGIN, Some(ORIGIN)), (STRANGER, None)] {
        let url = format!("{}/webauthn/register/begin", kms.url);
        let refused = kms.client.post(url).header("origin", origin).json(&json!({})).send().await.unwrap();
        assert_eq!(refused.status(), 503);
        assert_eq!(text(refused.headers(), "access-control-allow-origin"), allowed);
        assert_eq!(text(refused.headers(), "retry-after"), Some("1"));
        let id = text(refused.headers(), "x-request-id").unwrap().to_owned();
        let body: Value = refused.json().await.unwrap();
        assert_eq!((&body["error"]["code"], &body["error"]["requestId"]), (&json!("too_many_connections"), &json!(id)));
    }
}
