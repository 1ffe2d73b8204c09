//! The page at the JSON-RPC port, as a browser asks for it.

use devkit::EntryPointVersion::V07;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::{Setup, World};

async fn ask(world: &World, method: Method, path: &str) -> Response {
    let url = format!("{}{path}", world.rpc().url().trim_end_matches('/'));
    devkit::http::client().request(method, url).send().await.unwrap()
}

fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn a_node_for_development_serves_a_page_that_may_reach_its_own_hosts_only() {
    let world = World::start(V07).await;
    let (kms, node) = (world.kms().url().to_owned(), world.anvil.url().as_str().trim_end_matches('/').to_owned());

    let page = ask(&world, Method::GET, "/").await;
    assert_eq!((page.status().as_u16(), header(&page, "content-type").as_str()), (200, "text/html; charset=utf-8"));
    let policy = header(&page, "content-security-policy");
    assert!(policy.contains(&format!("connect-src 'self' {kms} {node};")), "{policy}");
    assert!(policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(header(&page, "x-content-type-options"), "nosniff");
    assert_eq!(header(&page, "cache-control"), "no-store");
    assert_eq!(header(&page, "access-control-allow-origin"), "");
    assert!(page.text().await.unwrap().contains("super-relay"));
    assert_eq!(ask(&world, Method::HEAD, "/").await.status(), 200);

    let facts: Value = ask(&world, Method::GET, "/page/facts.json").await.json().await.unwrap();
    assert_eq!(facts["kmsUrl"], kms);
    assert_eq!(facts["nodeUrl"], node);
    assert_eq!((&facts["chainId"], &facts["rpcPath"]), (&json!(31337), &json!("/rpc/31337")));
    assert_eq!(facts["entryPointVersion"], "0.7");
    let signers = world.kms().get("/admin/signers").await.unwrap();
    assert_eq!(facts["relaySigner"], signers["signers"][0]["address"]);
}

#[tokio::test]
async fn calls_are_answered_as_without_a_page() {
    let world = World::start(V07).await;
    assert_eq!(world.rpc().call("eth_chainId", json!([])).await.unwrap(), "0x7a69");
    for (method, path, status) in [
        (Method::POST, "/page/facts.json", 404),
        (Method::GET, "/page/missing.js", 404),
        (Method::GET, "/rpc", 405),
        (Method::PUT, "/", 405),
    ] {
        let refused = ask(&world, method.clone(), path).await;
        assert_eq!(refused.status(), status, "{method} {path}");
        let answer: Value = refused.json().await.unwrap();
        assert!(answer["error"]["data"]["reason"].is_string(), "{method} {path}: {answer}");
    }
}

#[tokio::test]
async fn a_node_whose_page_is_disabled_serves_none() {
    let world = Setup::of(V07).configure(|node| node["relay"]["page"] = json!({ "enabled": false })).start().await;
    let refused: Value = ask(&world, Method::GET, "/").await.json().await.unwrap();
    assert_eq!(refused["error"]["data"]["reason"], "post_required");
    assert_eq!(ask(&world, Method::GET, "/page/facts.json").await.status(), 404);
}

#[tokio::test]
async fn the_page_is_told_the_public_urls_of_the_settings_and_no_other_node() {
    let urls = json!({ "kms_url": "https://kms.example/", "node_url": "https://node.example/public" });
    let world = Setup::of(V07).configure(move |node| node["relay"]["page"] = urls).start().await;
    let answer = ask(&world, Method::GET, "/page/facts.json").await;
    let policy = header(&answer, "content-security-policy");
    assert!(policy.contains("connect-src 'self' https://kms.example https://node.example;"), "{policy}");
    let facts: Value = answer.json().await.unwrap();
    assert_eq!(
        (&facts["kmsUrl"], &facts["nodeUrl"]),
        (&json!("https://kms.example"), &json!("https://node.example/public"))
    );
}
