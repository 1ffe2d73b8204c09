//! Overload, a lying TEE, a client that hangs up, a locked database, a shutdown: no invalid
//! signature leaves the gateway, and nothing is lost.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kms_gateway::Settings;
use kms_gateway::transport::{TeeTransport, WorkerOptions};
use proto::command::Opcode;
use tokio::net::TcpStream;

use crate::support::{Gate, GatedTee, Kms, LyingTee, OPTIONS, PATIENCE, RelayKey, settings, until};

/// Waits until this many frames are in the queue or in the TEE.
async fn queue_depth(kms: &Kms, depth: usize) {
    until(async || kms.gateway.queue_stats().depth == depth).await;
}

#[tokio::test]
async fn a_request_is_refused_immediately_when_the_tee_queue_is_full() {
    let gate = Gate::default();
    // Of five places, one relay key gets three.
    let kms = Kms::over_tee(Arc::new(GatedTee::start(4, gate.clone()))).await;
    // Cached before the gate shuts, so that each request costs one call.
    let request = kms.honest_request().await;
    kms.sponsor(&request).await.ok();

    gate.shut();
    let mut waiting = Vec::new();
    let mut request = request;
    for depth in 1..=3 {
        request = request.next(&kms.relay);
        waiting.push(tokio::spawn(request.over_http(&kms).send()));
        queue_depth(&kms, depth).await;
    }
    request = request.next(&kms.relay);
    let error = kms.sponsor(&request).await.refused(503, "tee_busy");
    assert_eq!(error["retryable"], true);
    let limit = "of a queue for 4 waiting requests (kms.tee_queue_length), 3 may currently be this caller's";
    assert!(error["message"].as_str().unwrap().contains(limit), "{error}");
    assert_eq!(kms.get("/QueueStatus").await.ok()["queue_depth"], 3);

    gate.open();
    for answer in waiting {
        assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    }
    // Retryable means unchanged, with the same nonce.
    kms.sponsor(&request).await.ok();
}

#[tokio::test]
async fn a_shutdown_lets_requests_in_progress_finish() {
    let gate = Gate::default();
    let kms = Kms::over_tee(Arc::new(GatedTee::start(8, gate.clone()))).await;
    let request = kms.honest_request().await;
    gate.shut();
    let under_way = tokio::spawn(request.over_http(&kms).send());
    queue_depth(&kms, 1).await;
    kms.shutdown.cancel();
    until(async || TcpStream::connect(kms.url.trim_start_matches("http://")).await.is_err()).await;
    assert!(!kms.server.is_finished());

    gate.open();
    let answer = under_way.await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    drop(answer);
    tokio::time::timeout(PATIENCE, kms.server).await.unwrap().unwrap().unwrap();
    kms.gateway.close().await;
    assert!(kms.gateway.queue_stats().closed);
}

#[tokio::test]
async fn a_decision_is_recorded_even_if_its_client_hangs_up() {
    let gate = Gate::default();
    let kms = Kms::over_tee(Arc::new(GatedTee::start(8, gate.clone()))).await;
    // The gateway has cached its TEE's state, so only the decision itself waits at the gate.
    let request = kms.honest_request().await;
    kms.sponsor(&request).await.ok();
    let request = request.next(&kms.relay);
    let before = kms.verify_audit().await.unwrap().rows;
    gate.shut();
    let client = tokio::spawn(request.over_http(&kms).send());
    queue_depth(&kms, 1).await;
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    gate.open();
    until(async || kms.verify_audit().await.unwrap().rows == before + 1).await;
}

#[tokio::test]
async fn a_reply_that_does_not_match_the_request_is_never_returned() {
    // Offsets from the end of a sponsorship's reply: account signature v, s, r; its presence;
    // paymaster signature v, s, r; the paymaster's address; the hash. One position in each.
    for position in [0, 10, 50, 65, 66, 80, 120, 135, 160] {
        let lying = Arc::new(AtomicBool::new(false));
        let kms = Kms::over_tee(Arc::new(LyingTee::start(Opcode::Sponsor, position, Arc::clone(&lying)))).await;
        let request = kms.honest_request().await;
        lying.store(true, Ordering::SeqCst);
        kms.sponsor(&request).await.refused(500, "tee_reply_invalid");
        lying.store(false, Ordering::SeqCst);
        kms.sponsor(&request.next(&kms.relay)).await.ok();
    }
}

#[tokio::test]
async fn without_an_account_signature_a_wrong_hash_or_paymaster_is_never_returned_either() {
    // Offsets from the end: the absent account signature; paymaster signature v, s, r; the
    // paymaster's address; the hash.
    for position in [0, 1, 10, 40, 70, 100] {
        let lying = Arc::new(AtomicBool::new(true));
        let kms = Kms::over_tee(Arc::new(LyingTee::start(Opcode::Sponsor, position, Arc::clone(&lying)))).await;
        let key = RelayKey::random();
        kms.authorize(&key, &["sponsor", "sponsor_without_passkey"]).await.ok();
        let mut request = kms.honest_request().await;
        request.user_signature = None;
        request.approve_as_relay(&key);
        kms.sponsor(&request).await.refused(500, "tee_reply_invalid");
        lying.store(false, Ordering::SeqCst);
        kms.sponsor(&request.next(&key)).await.ok();
    }
}

#[tokio::test]
async fn a_signature_as_given_that_does_not_match_is_never_returned() {
    for position in [0, 10, 50, 70, 100] {
        let lying = Arc::new(AtomicBool::new(true));
        let tee = LyingTee::start(Opcode::SignWithHybridKey, position, Arc::clone(&lying));
        let kms = Kms::over_tee(Arc::new(tee)).await;
        let mut request = kms.honest_request().await;
        request.op["paymaster"] = "0x1111111111111111111111111111111111111111".into();
        let request = request.signed_as_given(&kms.relay);
        kms.send(request.to_be_signed(&kms)).await.refused(500, "tee_reply_invalid");
    }
}

#[tokio::test]
async fn a_tee_that_is_gone_is_a_retryable_refusal_and_an_unhealthy_gateway() {
    let tee: Arc<dyn TeeTransport> = Arc::new(GatedTee::start(8, Gate::default()));
    let kms = Kms::over_tee(Arc::clone(&tee)).await;
    let request = kms.honest_request().await;
    kms.sponsor(&request).await.ok();
    tee.close().await;
    let error = kms.sponsor(&request.next(&kms.relay)).await.refused(503, "tee_unavailable");
    assert_eq!(error["retryable"], true);
    let health = kms.get("/health").await;
    assert_eq!(health.status, 503);
    assert_eq!(health.body["status"], "tee_unavailable");
    assert_eq!(kms.get("/QueueStatus").await.ok()["circuit_breaker_open"], true);
}

#[tokio::test]
async fn only_a_call_that_does_not_return_in_time_makes_the_process_unhealthy() {
    let gate = Gate::default();
    let settings = |folder: &Path| Settings { tee_hung_after_seconds: 1, ..settings(folder) };
    let kms = Kms::over_tee_with(settings, Arc::new(GatedTee::with_options(OPTIONS, gate.clone()))).await;
    let request = kms.honest_request().await;
    assert_eq!(kms.gateway.alive(), Ok(()));
    gate.shut();
    let waiting = tokio::spawn(request.over_http(&kms).send());
    until(async || kms.gateway.alive().is_err()).await;
    assert!(kms.gateway.alive().unwrap_err() >= Duration::from_secs(1));
    gate.open();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    assert_eq!(kms.gateway.alive(), Ok(()));
}

#[tokio::test]
async fn requests_are_refused_immediately_while_the_tee_is_stuck_and_served_afterwards() {
    let gate = Gate::default();
    // Longer than any call takes before the gate shuts.
    let options = WorkerOptions { stuck_after: Duration::from_secs(3), ..OPTIONS };
    let kms = Kms::over_tee(Arc::new(GatedTee::with_options(options, gate.clone()))).await;
    let request = kms.honest_request().await;
    kms.sponsor(&request).await.ok();
    gate.shut();
    let stuck = request.next(&kms.relay);
    let waiting = tokio::spawn(stuck.over_http(&kms).send());
    until(async || kms.gateway.queue_stats().breaker_open).await;

    let refused = stuck.next(&kms.relay);
    // The gate is still shut, and no timeout has passed: this answer comes from the gateway alone.
    // benches/busy.rs measures how fast it is.
    let error = kms.sponsor(&refused).await.refused(503, "tee_busy");
    assert_eq!(error["retryable"], true);
    assert!(!waiting.is_finished());
    assert_eq!(kms.get("/QueueStatus").await.ok()["circuit_breaker_open"], true);
    let health = kms.get("/health").await;
    assert_eq!((health.status.as_u16(), &health.body["status"]), (503, &"tee_busy".into()));

    gate.open();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    kms.sponsor(&refused).await.ok();
    assert_eq!(kms.get("/QueueStatus").await.ok()["circuit_breaker_open"], false);
    kms.get("/health").await.ok();
}

#[tokio::test]
async fn waiting_requests_are_batched_with_the_same_bytes_as_alone() {
    let gate = Gate::default();
    let options = WorkerOptions { queue_length: 64, batch_length: 32, ..OPTIONS };
    let kms = Kms::over_tee(Arc::new(GatedTee::with_options(options, gate.clone()))).await;
    let request = kms.honest_request().await;
    let alone = kms.sponsor(&request).await.ok();
    gate.shut();
    let mut waiting = Vec::new();
    let mut request = request;
    for depth in 1..=20 {
        request = request.next(&kms.relay);
        waiting.push(tokio::spawn(request.over_http(&kms).send()));
        queue_depth(&kms, depth).await;
    }
    // A refused request does not affect the others.
    let mut changed = request.next(&kms.relay);
    changed.user_signature.as_mut().unwrap()["response"]["signature"] = "AAAA".into();
    changed.approve_as_relay(&kms.relay);
    let refused = tokio::spawn(changed.over_http(&kms).send());
    queue_depth(&kms, 21).await;
    gate.open();
    for answer in waiting {
        let answer: serde_json::Value = answer.await.unwrap().unwrap().json().await.unwrap();
        assert_eq!(answer, alone);
    }
    assert_eq!(refused.await.unwrap().unwrap().status(), 401);

    let largest = batch_sizes_over(&kms, 16.0);
    assert!(largest >= 1, "no batch of more than 16");
}

/// The number of batches so far with more frames than this.
fn batch_sizes_over(kms: &Kms, bound: f64) -> u64 {
    let families = kms.registry.gather();
    let sizes = families.iter().find(|family| family.name() == "kms_tee_batch_size").unwrap();
    let histogram = sizes.get_metric()[0].get_histogram();
    let up_to = histogram.get_bucket().iter().find(|bucket| bucket.upper_bound() >= bound).unwrap();
    histogram.get_sample_count() - up_to.cumulative_count()
}

#[tokio::test]
async fn a_probe_is_answered_while_its_own_write_waits_for_the_lock_of_the_database() {
    let kms = Kms::start().await;
    kms.gateway.ready().await.unwrap();
    let database = kms.database().await;
    let mut holder = database.acquire().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *holder).await.unwrap();
    for _ in 0..2 {
        let problem = kms.gateway.ready().await.unwrap_err();
        // A write that has ended, without the lock, gives another error.
        assert!(problem.to_string().starts_with("no write to the gateway's database has succeeded for"), "{problem}");
        assert!(problem.is_retryable());
    }
    sqlx::query("ROLLBACK").execute(&mut *holder).await.unwrap();
    until(async || kms.gateway.ready().await.is_ok()).await;
}

#[tokio::test]
async fn nothing_is_allowed_while_the_database_accepts_no_write() {
    let kms = Kms::start().await;
    let request = kms.honest_request().await;
    let database = kms.database().await;
    let mut holder = database.acquire().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *holder).await.unwrap();
    let error = kms.sponsor(&request).await.refused(503, "store_unavailable");
    assert_eq!(error["retryable"], true);
    sqlx::query("ROLLBACK").execute(&mut *holder).await.unwrap();
    // Its nonce was never claimed, so the same request is valid now.
    kms.sponsor(&request).await.ok();
    kms.verify_audit().await.unwrap();
}
