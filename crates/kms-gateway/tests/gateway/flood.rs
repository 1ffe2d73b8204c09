//! Public queries in very large numbers cost the TEE almost nothing, and sponsorships do not wait
//! for them.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use kms_gateway::Settings;
use serde_json::{Value, json};
use serve::{Bounds, Listener, Occupancy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::{Gate, GatedTee, Kms, Log, NOW, PATIENCE, RelayKey, SponsorRequest, hangs_up, settings, until};

const OPEN_TO_ALL: [&str; 4] = ["/health", "/version", "/RollbackCounter", "/admin/signers"];

async fn behind(gate: &Gate) -> Kms {
    Kms::over_tee(Arc::new(GatedTee::start(8, gate.clone()))).await
}

async fn depth(kms: &Kms, depth: usize) {
    until(async || kms.gateway.queue_stats().depth == depth).await;
}

#[tokio::test]
async fn a_flood_of_queries_costs_the_tee_one_call_a_second() {
    let kms = Kms::start().await;
    let (before, began) = (kms.calls_of("VerifySecurityState"), Instant::now());
    for _ in 0..25 {
        let asking = OPEN_TO_ALL.map(|path| tokio::spawn(kms.client.get(format!("{}{path}", kms.url)).send()));
        for answer in asking {
            assert_eq!(answer.await.unwrap().unwrap().status(), 200);
        }
    }
    let calls = kms.calls_of("VerifySecurityState") - before;
    assert!((1..=1 + began.elapsed().as_secs()).contains(&calls), "{calls} calls in {:?}", began.elapsed());
}

#[tokio::test]
async fn callers_that_hang_up_cost_no_more() {
    let gate = Gate::default();
    let kms = behind(&gate).await;
    let before = kms.calls_of("VerifySecurityState");
    gate.shut();
    let asking = tokio::spawn(kms.client.get(format!("{}/health", kms.url)).send());
    depth(&kms, 1).await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    for _ in 0..5 {
        hangs_up(kms.gateway.recent_security_state());
    }
    assert_eq!(kms.gateway.queue_stats().depth, 1);
    let answered = Instant::now();
    gate.open();
    depth(&kms, 0).await;
    kms.get("/health").await.ok();
    // The answer that nobody waited for is reused for a second.
    let calls = kms.calls_of("VerifySecurityState") - before;
    assert!((1..=1 + answered.elapsed().as_secs()).contains(&calls), "{calls} calls");
}

#[tokio::test]
async fn no_outdated_state_is_returned_after_an_admin_command() {
    let kms = Kms::start().await;
    for added in 1..=3_u64 {
        let before = kms.get("/RollbackCounter").await.ok()["counter"].as_u64().unwrap();
        kms.authorize(&RelayKey::random(), &["sponsor"]).await.ok();
        assert_eq!(kms.get("/RollbackCounter").await.ok()["counter"], before + 1);
        let signers: Value = kms.get("/admin/signers").await.ok();
        assert_eq!(signers["signers"].as_array().unwrap().len() as u64, 1 + added);
    }
}

#[tokio::test]
async fn an_unknown_account_is_queried_once_in_a_few_seconds_and_found_immediately_once_created() {
    let kms = Kms::start().await;
    let (_, registration_id) = kms.register().await;
    let before = kms.calls_of("GetWalletInfo");
    for _ in 0..20 {
        kms.get("/kms/accounts/alice").await.refused(404, "account_unknown");
    }
    assert_eq!(kms.calls_of("GetWalletInfo") - before, 1);
    kms.clock.set(NOW + 5);
    kms.get("/kms/accounts/alice").await.refused(404, "account_unknown");
    assert_eq!(kms.calls_of("GetWalletInfo") - before, 2);

    let create = json!({ "registrationId": registration_id, "accountId": "alice" });
    kms.post("/kms/create-deterministic-account", &create).await.ok();
    assert_eq!(kms.get("/kms/accounts/alice").await.ok()["accountId"], "alice");
}

#[tokio::test]
async fn lookups_of_unknown_accounts_by_one_client_wait_only_for_each_other() {
    let gate = Gate::default();
    let kms = behind(&gate).await;
    let (_, account) = kms.account().await;
    let request = kms.honest_request().await;
    kms.sponsor(&request).await.ok();
    gate.shut();
    let get = |path: String| tokio::spawn(kms.client.get(format!("{}{path}", kms.url)).send());
    let first = get("/kms/accounts/stranger".to_owned());
    depth(&kms, 1).await;
    let others: Vec<_> = (0..20).map(|number| get(format!("/kms/accounts/stranger-{number}"))).collect();
    for other in others {
        assert_eq!(other.await.unwrap().unwrap().status(), 503, "it is told to retry, and costs the TEE nothing");
    }
    assert_eq!(kms.gateway.queue_stats().depth, 1);

    let sponsorship = tokio::spawn(request.next(&kms.relay).over_http(&kms).send());
    depth(&kms, 2).await;
    let known = get(format!("/kms/accounts/{}", account["accountId"].as_str().unwrap()));
    depth(&kms, 3).await;
    let elsewhere = devkit::http::builder().local_address(IpAddr::from([127, 0, 0, 2])).build().unwrap();
    let of_another = tokio::spawn(elsewhere.get(format!("{}/kms/accounts/another", kms.url)).send());
    depth(&kms, 4).await;
    gate.open();
    assert_eq!(of_another.await.unwrap().unwrap().status(), 404);
    assert_eq!(sponsorship.await.unwrap().unwrap().status(), 200);
    assert_eq!(known.await.unwrap().unwrap().status(), 200);
    assert_eq!(first.await.unwrap().unwrap().status(), 404);
    kms.get("/kms/accounts/stranger-0").await.refused(404, "account_unknown");
}

#[tokio::test]
async fn lookups_of_clients_behind_a_trusted_proxy_do_not_wait_for_each_other() {
    let gate = Gate::default();
    let settings = |folder: &Path| Settings { trusted_proxies: vec!["127.0.0.1".to_owned()], ..settings(folder) };
    let kms = Kms::over_tee_with(settings, Arc::new(GatedTee::start(8, gate.clone()))).await;
    gate.shut();
    let of = |client: &str| {
        let question = kms.client.get(format!("{}/kms/accounts/of-{client}", kms.url));
        tokio::spawn(question.header("x-forwarded-for", client).send())
    };
    let first = of("192.0.2.1");
    depth(&kms, 1).await;
    let other = of("192.0.2.2");
    depth(&kms, 2).await;
    assert_eq!(of("192.0.2.1").await.unwrap().unwrap().status(), 503);
    gate.open();
    for question in [first, other] {
        assert_eq!(question.await.unwrap().unwrap().status(), 404);
    }
}

#[tokio::test]
async fn a_flood_by_one_relay_key_leaves_room_and_turns_for_others() {
    let gate = Gate::default();
    let kms = behind(&gate).await;
    let stolen = RelayKey::random();
    kms.authorize(&stolen, &["sponsor"]).await.ok();
    let mut flood = kms.honest_request().await.signed(&stolen);
    let honest = kms.honest_request().await;
    kms.sponsor(&flood).await.ok();
    kms.sponsor(&honest).await.ok();

    gate.shut();
    let mut answers = JoinSet::new();
    for _ in 0..20 {
        flood = flood.next(&stolen);
        answers.spawn(flood.over_http(&kms).send());
    }
    // Of nine places, one of them in the TEE, the key gets five.
    for _ in 5..20 {
        let refused = tokio::time::timeout(PATIENCE, answers.join_next()).await.unwrap();
        assert_eq!(refused.unwrap().unwrap().unwrap().status(), 503);
    }
    depth(&kms, 5).await;
    let honest = tokio::spawn(honest.next(&kms.relay).over_http(&kms).send());
    depth(&kms, 6).await;
    gate.open();
    assert_eq!(honest.await.unwrap().unwrap().status(), 200);
    for answer in answers.join_all().await {
        assert_eq!(answer.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_flood_of_refused_requests_does_not_fill_the_log() {
    let log = Log::start();
    let kms = Kms::start().await;
    let began = Instant::now();
    for _ in 0..1000 {
        kms.post("/webauthn/register/finish", &json!({ "registrationId": "made up", "credential": {} })).await;
    }
    let lines = log.lines("refused").iter().filter(|line| !line.contains("suppressed log lines")).count();
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    assert!((1..=101 + 10 * (seconds + 1)).contains(&lines), "{lines} lines in {seconds} s");
}

/// Another port of the gateway, with few places.
async fn narrow_port(kms: &mut Kms) -> Occupancy {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    kms.url = format!("http://{}", tcp.local_addr().unwrap());
    let listener = Listener::new(tcp, Bounds { total: 4, ..Bounds::default() });
    let occupancy = listener.occupancy();
    tokio::spawn(kms_gateway::serve(listener, kms.gateway.clone(), CancellationToken::new()));
    occupancy
}

/// Sends a request on this connection; returns the status line, or nothing if the connection was
/// closed.
async fn ask(stream: &mut TcpStream, request: &reqwest::Request) -> String {
    let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
    let mut bytes = format!("{} {} HTTP/1.1\r\nhost: kms\r\n", request.method(), request.url().path()).into_bytes();
    for (name, value) in request.headers() {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend([format!("content-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat());
    // The connection may be closed.
    let _ = stream.write_all(&bytes).await;
    let mut answer = vec![0; 64 * 1024];
    let count = stream.read(&mut answer).await.unwrap_or_default();
    String::from_utf8_lossy(&answer[..count]).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_relay_s_connection_outlasts_a_flood_from_many_addresses_and_a_stranger_s_does_not() {
    let mut kms = Kms::start().await;
    let (passkey, account) = kms.account().await;
    let request = SponsorRequest::new(passkey, &account).signed(&kms.relay);
    let occupancy = narrow_port(&mut kms).await;
    let address = kms.url.trim_start_matches("http://").to_owned();
    let health = kms.client.get(format!("{}/health", kms.url)).build().unwrap();
    let mut relay = TcpStream::connect(&address).await.unwrap();
    let asked = ask(&mut relay, &request.over_http(&kms).build().unwrap()).await;
    assert_eq!(asked, "HTTP/1.1 200 OK");
    let mut stranger = TcpStream::connect(&address).await.unwrap();
    let unknown = request.next(&RelayKey::random());
    let asked = ask(&mut stranger, &unknown.over_http(&kms).build().unwrap()).await;
    assert_eq!(asked, "HTTP/1.1 403 Forbidden");

    let mut flood = Vec::new();
    for host in 20..60 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, host], 0).into()).unwrap();
        flood.push(socket.connect(address.parse().unwrap()).await.unwrap());
    }
    until(async || occupancy.tally().ended.evicted == 42 - 4).await;
    assert_eq!(ask(&mut stranger, &health).await, "");
    assert_eq!(ask(&mut relay, &health).await, "HTTP/1.1 200 OK");
}
