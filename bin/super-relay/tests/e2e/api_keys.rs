//! API keys from the command line: printed once, effective at once, never logged.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};

use crate::support::{Setup, Signal, run};

fn words(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

async fn api_key(file: &str, arguments: &[&str]) -> Output {
    run(&[&["api-key", "--config", file][..], arguments].concat()).await
}

async fn generate(file: &str, arguments: &[&str]) -> String {
    let output = api_key(file, &[&["generate", "--label", "shop"][..], arguments].concat()).await;
    let (printed, noted) = words(&output);
    assert!(output.status.success(), "{noted}");
    let key = printed.strip_suffix('\n').unwrap().to_owned();
    assert!(key.starts_with("srk_") && !key.contains(char::is_whitespace), "the key alone: {printed:?}");
    assert!(!noted.contains(&key), "{noted}");
    key
}

async fn ask(url: &str, header: Option<(&str, &str)>) -> Value {
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "pm_get_account_info", "params": ["nobody"] });
    let mut request = devkit::http::client().post(url).json(&call);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

#[tokio::test]
async fn a_key_is_made_used_listed_and_revoked_without_a_restart_and_never_logged() {
    let closed = |configuration: &mut Value| {
        configuration["relay"]["rpc"] = json!({ "require_api_key": true });
        // Log everything of every library.
        configuration["log"]["filter"] = "trace".into();
    };
    let mut world = Setup::of(V07).configure(closed).start().await;
    let file = world.file("node.toml");
    let (path, rpc) = (file.to_str().unwrap(), world.node.url("rpc"));

    let (socket, mut databases) = (world.file("admin.sock"), Vec::new());
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    for folder in [world.file("."), world.file("kms")] {
        for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            if name.contains("sqlite") || name.contains(".db") {
                assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
                databases.push(name);
            }
        }
    }
    assert!(databases.len() >= 4, "of the relay and of the KMS: {databases:?}");
    let refused = ask(&rpc, None).await;
    assert_eq!(refused["error"]["data"]["reason"], "unauthorised");

    let key = generate(path, &["--quota", "5"]).await;
    let public = generate(
        path,
        &[
            "--publishable",
            "--policy",
            "default",
            "--origin",
            "https://dapp.example",
            "--scope",
            "accounts",
            "--rate",
            "1/min:2",
            "--valid-for-days",
            "90",
        ],
    )
    .await;
    assert_ne!(key, public);
    let (in_path, public_path) = (format!("{rpc}/rpc/31337/{key}"), format!("{rpc}/rpc/{public}"));
    for answer in [
        ask(&in_path, None).await,
        ask(&rpc, Some(("x-api-key", &key))).await,
        ask(&rpc, Some(("authorization", &format!("Bearer {key}")))).await,
        ask(&public_path, Some(("origin", "https://dapp.example"))).await,
    ] {
        assert_eq!(answer["error"]["data"]["reason"], "account_unknown", "{answer}");
    }
    // The clock is the real one, so the calls go on until they are faster than the rate.
    let too_fast = loop {
        let answer = ask(&public_path, Some(("origin", "https://dapp.example"))).await;
        if answer["error"]["data"]["reason"] != "account_unknown" {
            break answer;
        }
    };
    let data = &too_fast["error"]["data"];
    assert_eq!(
        (&data["reason"], &data["retryable"], &data["limit"]),
        (&json!("rate_limited"), &json!(true), &json!("1"))
    );
    let elsewhere = ask(&public_path, None).await;
    assert_eq!(elsewhere["error"]["data"]["reason"], "origin_not_allowed");
    let wrong = format!("{}/rpc/{key}x", rpc);
    assert_eq!(ask(&wrong, None).await["error"]["data"]["reason"], "unauthorised");
    // A path that is not served, and a WebSocket: each of them with the key.
    for (path, status) in [(format!("/v1/{key}"), 404), (format!("/rpc/mainnet/{key}"), 404)] {
        let response = devkit::http::client().post(format!("{}{path}", rpc)).send().await.unwrap();
        assert_eq!(response.status(), status);
        assert!(!response.text().await.unwrap().contains(&key));
    }
    let socket_url = in_path.replace("http", "ws");
    let web_socket = jsonrpsee_ws_client::WsClientBuilder::default().build(&socket_url).await.unwrap();

    let (listed, _) = words(&api_key(path, &["list"]).await);
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines.len(), 3, "{listed}");
    let server = lines.iter().find(|line| line.contains("server")).unwrap();
    assert!(server.contains("shop") && server.contains("3/5") && server.contains("active, used"), "{listed}");
    assert!(listed.contains("https://dapp.example") && listed.contains("1/min:2"), "{listed}");
    let of_page = lines.iter().find(|line| line.contains("publishable")).unwrap();
    assert!(
        of_page.contains("active until 2") && of_page.contains(" UTC, used") && !server.contains("until"),
        "{listed}"
    );

    let id = server.split_whitespace().next().unwrap();
    let (revoked, _) = words(&api_key(path, &["revoke", id]).await);
    assert_eq!(revoked, format!("revoked: {id}\n"));
    assert_eq!(ask(&in_path, None).await["error"]["message"], "the API key was revoked");
    let heard =
        jsonrpsee::core::client::ClientT::request::<Value, _>(&web_socket, "eth_chainId", jsonrpsee::rpc_params![])
            .await;
    assert!(heard.unwrap_err().to_string().contains("revoked"));

    let unknown = api_key(path, &["revoke", "0123456789abcdef"]).await;
    assert!(!unknown.status.success() && words(&unknown).1.contains("0123456789abcdef"));
    let no_rate = api_key(path, &["generate", "--label", "x", "--rate", "fast"]).await;
    assert!(!no_rate.status.success() && words(&no_rate).1.contains("600/min"), "{no_rate:?}");
    let senseless = api_key(path, &["generate", "--label", "x", "--policy", "nobody's"]).await;
    assert!(!senseless.status.success() && words(&senseless).1.contains("nobody's"));

    world.node.signal(Signal::TERM);
    assert!(world.node.ended().await.success());
    let log = world.node.log().join("\n");
    assert!(log.contains("TRACE"), "the test looks at everything");
    for secret in [&key, &public] {
        assert!(!log.contains(&secret[..12]), "a key stands in the log");
    }
    let gone = api_key(path, &["list"]).await;
    assert!(!gone.status.success() && words(&gone).1.contains("is it running"), "{gone:?}");
}

/// The route of the admin socket, which anyone who may open its file can use.
#[tokio::test]
async fn no_port_answers_the_routes_of_the_admin_socket() {
    let world = Setup::of(V07).start().await;
    let client = devkit::http::client();
    for port in ["rpc", "kms", "ops"] {
        for (method, path) in
            [("GET", "/api-keys"), ("POST", "/api-keys"), ("POST", "/api-keys/0123456789abcdef/revocation")]
        {
            let url = format!("{}{path}", world.node.url(port));
            let request = client.request(method.parse().unwrap(), url).json(&json!({ "label": "x", "kind": "server" }));
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 404, "{port}: {method} {path}");
        }
    }
    let (listed, _) = words(&api_key(world.file("node.toml").to_str().unwrap(), &["list"]).await);
    assert!(!listed.contains("server"), "a key was made: {listed}");
}

#[tokio::test]
async fn usage_of_a_key_survives_a_restart() {
    let mut world = Setup::of(V07).start().await;
    let file = world.file("node.toml");
    let path = file.to_str().unwrap();
    let key = generate(path, &["--quota", "100"]).await;
    for _ in 0..7 {
        let answer = ask(&world.node.url("rpc"), Some(("x-api-key", &key))).await;
        assert_eq!(answer["error"]["data"]["reason"], "account_unknown");
    }
    world.node.signal(Signal::TERM);
    assert!(world.node.ended().await.success());
    world.restart().await;
    let (listed, _) = words(&api_key(path, &["list"]).await);
    assert!(listed.contains("7/100"), "{listed}");
}

#[tokio::test]
async fn a_key_that_is_too_small_for_one_operation_is_made_with_a_warning() {
    let world = Setup::of(V07).start().await;
    let file = world.file("node.toml");
    let noted = async |arguments: &[&str]| {
        let arguments = [&["generate", "--label", "page"][..], arguments].concat();
        let output = api_key(file.to_str().unwrap(), &arguments).await;
        assert!(output.status.success());
        words(&output).1
    };
    let public = ["--publishable", "--policy", "default"];
    let small = noted(&[&public[..], &["--rate", "600/min:4", "--quota", "4"]].concat()).await;
    for (option, when) in [("--rate", "at once"), ("--quota", "a day")] {
        let warning = format!(
            "warning: {option} allows 4 calls {when}, of which one client address may use 2: an operation through viem takes 3"
        );
        assert!(small.contains(&warning), "{small}");
    }
    let fits = noted(&[&public[..], &["--rate", "5/min", "--quota", "5"]].concat()).await;
    assert!(!fits.contains("warning"), "{fits}");
    let server = noted(&["--rate", "2/min"]).await;
    assert!(server.contains("warning: --rate allows 2 calls at once: an operation"), "{server}");
}
