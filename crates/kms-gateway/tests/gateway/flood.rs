//! What anyone may ask, asked by very many: it costs the TEE next to nothing, and sponsorships do not wait for it.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::{Gate, GatedTee, Kms, Log, NOW, RelayKey, hangs_up, until};

const OPEN_TO_ALL: [&str; 4] = ["/health", "/version", "/RollbackCounter", "/admin/signers"];

async fn behind(gate: &Gate) -> Kms {
    Kms::over_tee(Arc::new(GatedTee::start(8, gate.clone()))).await
}

async fn depth(kms: &Kms, depth: usize) {
    until(async || kms.gateway.queue_stats().depth == depth).await;
}

#[tokio::test]
async fn a_flood_of_questions_costs_the_tee_one_call_a_second() {
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
async fn questioners_who_hang_up_cost_no_more() {
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
    // The answer that nobody waited for will do for a second.
    let calls = kms.calls_of("VerifySecurityState") - before;
    assert!((1..=1 + answered.elapsed().as_secs()).contains(&calls), "{calls} calls");
}

#[tokio::test]
async fn after_a_command_of_the_admin_nobody_is_told_what_was_before() {
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
async fn an_account_that_does_not_exist_is_asked_for_once_in_a_few_seconds_and_at_once_when_it_is_made() {
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
async fn questions_about_accounts_that_nobody_knows_wait_a_moment_for_each_other_and_nothing_else_does() {
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
        assert_eq!(other.await.unwrap().unwrap().status(), 503, "it is told to come back, and costs the TEE nothing");
    }
    assert_eq!(kms.gateway.queue_stats().depth, 1);

    let sponsorship = tokio::spawn(request.next(&kms.relay).over_http(&kms).send());
    depth(&kms, 2).await;
    let known = get(format!("/kms/accounts/{}", account["accountId"].as_str().unwrap()));
    depth(&kms, 3).await;
    gate.open();
    assert_eq!(sponsorship.await.unwrap().unwrap().status(), 200);
    assert_eq!(known.await.unwrap().unwrap().status(), 200);
    assert_eq!(first.await.unwrap().unwrap().status(), 404);
    kms.get("/kms/accounts/stranger-0").await.refused(404, "account_unknown");
}

#[tokio::test]
async fn a_flood_of_refused_requests_does_not_fill_the_log() {
    let log = Log::start();
    let kms = Kms::start().await;
    let began = Instant::now();
    for _ in 0..1000 {
        kms.post("/webauthn/register/finish", &json!({ "registrationId": "made up", "credential": {} })).await;
    }
    let lines = log.lines("refused").iter().filter(|line| !line.contains("were left out")).count();
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    assert!((1..=101 + 10 * (seconds + 1)).contains(&lines), "{lines} lines in {seconds} s");
}
