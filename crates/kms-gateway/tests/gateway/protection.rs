//! The protection that the TEE must report before anything is signed with it, and its public
//! reports.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kms_api::status::TaKey;
use kms_gateway::Settings;
use kms_gateway::protection::{InsufficientProtection, Level, RequiredProtection};
use kms_gateway::transport::TeeTransport;
use proto::command::{Phase, Protection, ProvisionedKeys, SecurityState, Statement};
use proto::json::hex_bytes;
use proto::{Bounded, Hash, TeeId};
use serde_json::json;
use serve::Client;
use tokio::task::JoinSet;

use crate::support::{ChangingTee, Gate, GatedTee, Kms, hangs_up, platform, settings, until};

const SECURE_STORAGE: RequiredProtection = RequiredProtection {
    storage: Level(Protection::SecureWorld),
    rollback: None,
    time: Level(Protection::None),
    own_ta_key: false,
};
const NONCE: [u8; 32] = [0x17; 32];
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const CLIENT: Client = Client::Address(LOCALHOST);

fn tee(storage: Protection, version: &str) -> Arc<dyn TeeTransport> {
    Arc::new(ChangingTee::start([platform(storage, version)], Arc::default()))
}

#[tokio::test]
async fn a_tee_with_the_required_protection_is_used() {
    let required = RequiredProtection { own_ta_key: true, ..SECURE_STORAGE };
    let kms = Kms::requiring(required, tee(Protection::SecureWorld, "0.1.0+own-key")).await;
    kms.gateway.ready().await.unwrap();
    let request = kms.honest_request().await;
    kms.sponsor(&request).await.ok();
    let health = kms.get("/health").await.ok();
    assert_eq!(health["taKey"], "own");
    assert_eq!(health["protection"]["storage"], "secureWorld");
}

#[tokio::test]
async fn with_less_protection_nothing_is_created_and_nothing_is_ready() {
    let kms = Kms::requiring(SECURE_STORAGE, tee(Protection::None, "0.1.0")).await;
    let problem = kms.gateway.ready().await.unwrap_err();
    let expected = "the TEE reports none for storage, and secureWorld is required (kms.required_protection.storage)";
    assert_eq!(problem.to_string(), expected);
    let health = kms.get("/health").await;
    assert_eq!((health.status.as_u16(), &health.body["status"]), (503, &json!("tee_protection_insufficient")));
    let (_, registration_id) = kms.register().await;
    let create = json!({ "registrationId": registration_id });
    let error = kms.post("/kms/create-deterministic-account", &create).await;
    let error = error.refused(503, "tee_protection_insufficient");
    assert_eq!(error["retryable"], false);
}

#[tokio::test]
async fn a_tee_that_comes_back_with_less_protection_signs_no_more() {
    let dying = Arc::new(AtomicBool::default());
    let reports = [platform(Protection::SecureWorld, "0.1.0"), platform(Protection::None, "0.1.0")];
    let kms = Kms::requiring(SECURE_STORAGE, Arc::new(ChangingTee::start(reports, Arc::clone(&dying)))).await;
    let request = kms.honest_request().await;
    kms.sponsor(&request).await.ok();
    dying.store(true, Ordering::SeqCst);
    let request = request.next(&kms.relay);
    kms.sponsor(&request).await.refused(503, "tee_unavailable");
    until(async || kms.gateway.queue_stats().reopened > 0).await;
    // The refusal was retryable, so its nonce is still valid; the TEE is not accepted.
    kms.sponsor(&request).await.refused(503, "tee_protection_insufficient");
}

#[tokio::test]
async fn a_request_refused_by_a_lost_session_can_be_sent_again_unchanged() {
    let dying = Arc::new(AtomicBool::default());
    let reports = [platform(Protection::None, "0.1.0"), platform(Protection::None, "0.1.0")];
    let kms = Kms::over_tee(Arc::new(ChangingTee::start(reports, Arc::clone(&dying)))).await;
    let request = kms.honest_request().await;
    let before = kms.sponsor(&request).await.ok();
    let request = request.next(&kms.relay);
    dying.store(true, Ordering::SeqCst);
    let error = kms.sponsor(&request).await.refused(503, "tee_unavailable");
    assert_eq!(error["retryable"], true);
    until(async || kms.gateway.queue_stats().reopened > 0).await;
    assert_eq!(kms.sponsor(&request).await.ok(), before);
    assert_eq!(kms.get("/QueueStatus").await.ok()["reopened"], 1);
}

#[test]
fn every_level_counts_and_so_does_the_key() {
    let levels = [Protection::None, Protection::SecureWorld, Protection::Hardware];
    for required in levels {
        for reported in levels {
            for what in ["storage", "rollback", "time"] {
                let mut state = state("0.1.0");
                let none = RequiredProtection::default();
                let level = Level(required);
                let (reports, requirements) = match what {
                    "storage" => (&mut state.storage, RequiredProtection { storage: level, ..none }),
                    "rollback" => (&mut state.rollback, RequiredProtection { rollback: Some(level), ..none }),
                    _ => (&mut state.time, RequiredProtection { time: level, ..none }),
                };
                *reports = reported;
                let expected = match reported >= required {
                    true => Ok(()),
                    false => Err(InsufficientProtection::Level { what, required, reported }),
                };
                assert_eq!(requirements.check(&state), expected);
            }
        }
    }
    let own_key = RequiredProtection { own_ta_key: true, ..RequiredProtection::default() };
    assert_eq!(own_key.check(&state("0.1.0+own-key")), Ok(()));
    for other in ["0.1.0", "0.1.0+development-key", "0.1.0+other", "own-key", ""] {
        assert_eq!(own_key.check(&state(other)), Err(InsufficientProtection::Key), "{other}");
    }
    assert_eq!(TaKey::of_version("0.1.0+development-key"), Some(TaKey::Development));
}

fn state(version: &str) -> SecurityState {
    SecurityState {
        tee_id: TeeId::default(),
        version: Bounded::new(version.to_owned()).unwrap(),
        measurement: Hash::default(),
        phase: Phase::Uninitialised,
        counter: 0,
        storage: Protection::None,
        rollback: Protection::None,
        time: Protection::None,
        provisioned: None,
    }
}

#[tokio::test]
async fn an_attestation_binds_the_nonce_to_the_statement_and_reports_a_missing_quote() {
    let kms = Kms::start().await;
    let shown = kms.get(&format!("/attestation?nonce={}", hex_bytes(&NONCE))).await.ok();
    let provisioned = kms.gateway.provisioned().await.unwrap();
    let keys = ProvisionedKeys {
        admin: provisioned.admin,
        paymaster_signer: provisioned.paymaster_signer,
        standby_paymaster_signer: None,
    };
    let state = kms.gateway.security_state().await.unwrap();
    let statement = Statement {
        tee_id: state.tee_id,
        version: state.version.clone(),
        measurement: state.measurement,
        counter: state.counter,
        provisioned: Some(keys),
    };
    let expected = json!({
        "nonce": hex_bytes(&NONCE),
        "teeId": state.tee_id.to_string(),
        "teeMode": "simulator",
        "version": *state.version,
        "measurement": state.measurement.to_string(),
        "counter": state.counter,
        "admin": kms.admin.address().to_string(),
        "paymasterSigner": provisioned.paymaster_signer.to_string(),
        "standbyPaymasterSigner": null,
        "challenge": statement.challenge(&NONCE).to_string(),
        "quote": null,
        "quoteStatus": "unavailable: this platform has no attestation",
        "taKey": null,
        "protection": { "storage": "none", "rollback": "none", "time": "none" },
    });
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn an_attestation_requires_a_nonce_of_32_bytes() {
    let kms = Kms::start().await;
    for question in ["", "?nonce=", "?nonce=0x17", "?nonce=17", "?nonce=0xzz", "?other=1"] {
        kms.get(&format!("/attestation{question}")).await.refused(400, "invalid_field");
    }
    let long = format!("/attestation?nonce={}", hex_bytes(&[0; 33]));
    kms.get(&long).await.refused(400, "invalid_field");
}

#[tokio::test]
async fn only_one_attestation_is_made_at_a_time_even_if_its_caller_hangs_up() {
    let gate = Gate::default();
    let settings = |folder: &Path| Settings { attestation_interval_ms: 1, ..settings(folder) };
    let kms = Kms::over_tee_with(settings, Arc::new(GatedTee::start(8, gate.clone()))).await;
    gate.shut();
    let first = tokio::spawn({
        let gateway = kms.gateway.clone();
        async move { gateway.attest(NONCE, gateway.quote_turn(CLIENT).await?).await }
    });
    until(async || kms.gateway.queue_stats().depth == 1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    hangs_up(kms.gateway.quote_turn(CLIENT));
    assert_eq!(kms.gateway.queue_stats().depth, 1);
    gate.open();
    let turn = kms.gateway.quote_turn(CLIENT).await.unwrap();
    kms.gateway.attest(NONCE, turn).await.unwrap();
}

/// A gateway that makes a quote as soon as the previous one is done, behind these proxies.
async fn quoting(trusted_proxies: &[&str]) -> Kms {
    let trusted_proxies = trusted_proxies.iter().map(|&proxy| proxy.to_owned()).collect();
    let settings = |folder: &Path| Settings { attestation_interval_ms: 1, trusted_proxies, ..settings(folder) };
    Kms::over_tee_with(settings, Arc::new(GatedTee::start(8, Gate::default()))).await
}

/// A request for a quote from this address, with this `X-Forwarded-For`.
fn question(kms: &Kms, from: IpAddr, forwarded: &str) -> reqwest::RequestBuilder {
    let client = devkit::http::builder().local_address(from).build().unwrap();
    let question = client.get(format!("{}/attestation?nonce={}", kms.url, hex_bytes(&NONCE)));
    if forwarded.is_empty() { question } else { question.header("x-forwarded-for", forwarded) }
}

/// Repeats the request, with this many in parallel.
fn polling(question: &reqwest::RequestBuilder, at_once: usize) -> JoinSet<()> {
    let polls = (0..at_once).map(|_| question.try_clone().unwrap());
    polls.map(async |poll| while poll.try_clone().unwrap().send().await.is_ok() {}).collect()
}

#[tokio::test]
async fn a_client_that_polls_does_not_get_the_quotes_of_others() {
    let others_address = IpAddr::from([127, 0, 0, 2]);
    for (proxies, poller, other) in [
        (&[][..], (LOCALHOST, ""), (others_address, "")),
        (&["127.0.0.1"], (LOCALHOST, "192.0.2.1"), (LOCALHOST, "192.0.2.2")),
        (&["127.0.0.1"], (LOCALHOST, ""), (LOCALHOST, "192.0.2.2")),
        (&["127.0.0.1"], (LOCALHOST, "192.0.2.1"), (LOCALHOST, "")),
    ] {
        let kms = quoting(proxies).await;
        let _polling = polling(&question(&kms, poller.0, poller.1), 12);
        for _ in 0..5 {
            let answer = question(&kms, other.0, other.1).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{other:?} beside {poller:?} behind {proxies:?}");
        }
    }
}

#[tokio::test]
async fn only_a_trusted_proxy_names_the_client() {
    let kms = quoting(&["127.0.0.2"]).await;
    let held = kms.gateway.quote_turn(Client::Untold).await.unwrap();
    let mut questions = JoinSet::new();
    for number in 0..5 {
        questions.spawn(question(&kms, LOCALHOST, &format!("192.0.2.{number}")).send());
    }
    let refused = questions.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(refused.status(), 429, "four requests of a client wait");
    drop(held);
    while let Some(answer) = questions.join_next().await {
        assert_eq!(answer.unwrap().unwrap().status(), 200);
    }
}

#[tokio::test]
async fn indistinguishable_clients_all_get_quotes() {
    let kms = quoting(&[]).await;
    let _polling = polling(&question(&kms, LOCALHOST, "192.0.2.1"), 2);
    for _ in 0..5 {
        let answer = question(&kms, LOCALHOST, "192.0.2.2").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
    }
}

#[tokio::test]
async fn a_quote_requested_too_soon_is_refused_with_a_retry_time_and_without_a_tee_call() {
    let gate = Gate::default();
    let settings = |folder: &Path| Settings { attestation_interval_ms: 3_600_000, ..settings(folder) };
    let kms = Kms::over_tee_with(settings, Arc::new(GatedTee::start(8, gate.clone()))).await;
    let path = format!("/attestation?nonce={}", hex_bytes(&NONCE));
    kms.get(&path).await.ok();
    gate.shut();
    for _ in 0..20 {
        let error = kms.get(&path).await.refused(429, "attestation_too_soon");
        assert_eq!(error["retryable"], true);
    }
    assert_eq!(kms.gateway.queue_stats().depth, 0);
    let refused = kms.client.get(format!("{}{path}", kms.url)).send().await.unwrap();
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=3601).contains(&wait), "{wait}");
    gate.open();
}

#[tokio::test]
async fn a_turn_without_time_for_its_quote_is_not_used() {
    let no_time =
        |folder: &Path| Settings { tee_hung_after_seconds: 0, attestation_interval_ms: 3_600_000, ..settings(folder) };
    let kms = Kms::over_tee_with(no_time, Arc::new(GatedTee::start(8, Gate::default()))).await;
    for _ in 0..2 {
        let turn = kms.gateway.quote_turn(CLIENT).await.unwrap();
        let refused = kms.gateway.attest(NONCE, turn).await.unwrap_err();
        assert!(refused.to_string().contains("no time for the quote; try again in 1 s"), "{refused}");
    }
}

#[tokio::test]
async fn a_quote_is_made_again_after_the_interval() {
    let settings = |folder: &Path| Settings { attestation_interval_ms: 100, ..settings(folder) };
    let kms = Kms::over_tee_with(settings, Arc::new(GatedTee::start(8, Gate::default()))).await;
    let path = format!("/attestation?nonce={}", hex_bytes(&NONCE));
    kms.get(&path).await.ok();
    until(async || kms.get(&path).await.status == 200).await;
}

#[tokio::test]
async fn a_tee_that_does_not_report_its_protection_costs_no_quote() {
    let dying = Arc::new(AtomicBool::default());
    let reports = [platform(Protection::None, "0.1.0"), platform(Protection::None, "0.1.0")];
    let settings = |folder: &Path| Settings { attestation_interval_ms: 60_000, ..settings(folder) };
    let kms = Kms::over_tee_with(settings, Arc::new(ChangingTee::start(reports, Arc::clone(&dying)))).await;
    let path = format!("/attestation?nonce={}", hex_bytes(&NONCE));
    dying.store(true, Ordering::SeqCst);
    kms.get(&path).await.refused(503, "tee_unavailable");
    until(async || kms.gateway.queue_stats().reopened > 0).await;
    kms.get(&path).await.ok();
}
