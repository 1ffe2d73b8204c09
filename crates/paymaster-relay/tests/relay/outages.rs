//! A dependency that cannot answer causes a typed, retryable refusal, and nothing is signed in
//! doubt.

use std::fs;
use std::sync::atomic::Ordering;

use devkit::EntryPointVersion::V07;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{ACCOUNT, World, until};

#[tokio::test]
async fn kms_down_is_retryable_and_reserves_nothing_until_it_is_up() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let passkey = world.approval(&mut dapp, &op).await;
    world.tee.down.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        let params = json!([op, ACCOUNT, passkey]);
        let refusal = world.client.call("pm_sponsor_with_tee", params).await.unwrap_err();
        refusal.assert_is(-32603, "kms_unavailable", true);
        assert_eq!(world.reserved_rows().await.len(), 0);
    }
    assert!(world.problem("kms").await.is_some());
    world.tee.down.store(false, Ordering::SeqCst);
    world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey])).await.unwrap();
    assert_eq!(world.reserved_rows().await.len(), 1);
    assert_eq!(world.problem("kms").await, None);
}

#[tokio::test]
async fn a_reservation_whose_answer_got_lost_stays_through_later_outages() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    // From here on the relay knows the account's passkeys, and asks the KMS only for signatures.
    let op = dapp.first_op(0);
    world.sponsor(&mut dapp, &op).await.unwrap();
    let op = dapp.first_op(1);
    let params = json!([op, ACCOUNT, world.approval(&mut dapp, &op).await]);
    world.tee.loses_answers.store(true, Ordering::SeqCst);
    let refusal = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap_err();
    refusal.assert_is(-32603, "kms_unavailable", true);
    let reserved = world.reserved_rows().await;
    assert_eq!(reserved.len(), 2);
    world.tee.loses_answers.store(false, Ordering::SeqCst);
    world.tee.down.store(true, Ordering::SeqCst);
    // More often than one reservation may be signed: requests that never reached the KMS are not
    // counted.
    for _ in 0..10 {
        let refusal = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap_err();
        refusal.assert_is(-32603, "kms_unavailable", true);
        assert_eq!(world.reserved_rows().await, reserved);
    }
    world.tee.down.store(false, Ordering::SeqCst);
    world.client.call("pm_sponsor_with_tee", params).await.unwrap();
    assert_eq!(world.reserved_rows().await, reserved);
}

#[tokio::test]
async fn a_client_that_hangs_up_with_an_approval_worth_nothing_holds_none_of_the_deposit() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(1);
    dapp.passkey.behaviour.origin = "https://evil.example".to_owned();
    let elsewhere = world.approval(&mut dapp, &op).await;
    world.tee.hold();

    let params = json!([op, ACCOUNT, elsewhere]);
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "pm_sponsor_with_tee", "params": params }).to_string();
    let host = world.client.url().trim_start_matches("http://");
    let head = format!("POST / HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n");
    let mut socket = TcpStream::connect(host).await.unwrap();
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    socket.write_all(request.as_bytes()).await.unwrap();
    until(async || world.sponsorships() == 1).await;
    assert_eq!(world.reserved_rows().await.len(), 1);
    drop(socket);
    // A request after that is answered after the hang-up was noticed.
    world.client.call("pm_chainId", json!([])).await.unwrap();
    world.tee.release();

    until(async || world.reserved_rows().await.is_empty()).await;
}

#[tokio::test]
async fn chain_down_is_retryable_and_signs_nothing() {
    let mut world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let passkey = world.approval(&mut dapp, &op).await;
    // A port without a listener.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.settings["chain"]["rpc_url"] = json!(format!("http://{free}"));
    let world = world.restarted().await;
    let refusal = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey])).await.unwrap_err();
    refusal.assert_is(-32603, "chain_unavailable", true);
    assert_eq!(world.sponsorships(), 0);
    let told = |why: &str| Some(format!("the chain cannot answer now: the node at relay.chain.rpc_url {why}"));
    assert_eq!(world.problem("chain").await, told("cannot be reached: Connection refused (os error 111)"));
}

#[tokio::test]
async fn a_full_disk_is_retryable_and_no_signature_leaves_that_is_not_in_the_books() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    fill_up(&world, 3).await;
    let (mut answered, mut refused) = (0, None);
    for key in 0..40 {
        let op = dapp.first_op(key);
        let params = json!([op, ACCOUNT, world.approval(&mut dapp, &op).await]);
        match world.client.call("pm_sponsor_with_tee", params.clone()).await {
            Ok(_) => answered += 1,
            Err(refusal) => {
                refused = Some((params, refusal));
                break;
            }
        }
    }
    let (params, refusal) = refused.unwrap();
    assert!(["store_unavailable", "claims_unavailable"].contains(&refusal.reason()), "{refusal:?}");
    assert_eq!((refusal.code, &refusal.data["retryable"]), (-32603, &json!(true)));
    assert_eq!(rows(&world, "state = 'signed'").await, answered);
    assert!(world.sponsorships() <= rows(&world, "TRUE").await, "nothing is signed without a reservation");

    make_room(&world).await;
    world.client.call("pm_sponsor_with_tee", params).await.unwrap();
    assert_eq!(rows(&world, "TRUE").await, answered + 1);
}

async fn rows(world: &World, condition: &str) -> u64 {
    let query = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM sponsorships WHERE {condition}"));
    let count: i64 = sqlx::query_scalar(query).fetch_one(&world.store.database().pool()).await.unwrap();
    u64::try_from(count).unwrap()
}

/// After this many signatures there is no room for another; `disk_full` fills a real disk.
async fn fill_up(world: &World, signatures: u32) {
    let trigger = sqlx::AssertSqlSafe(format!(
        "CREATE TRIGGER full BEFORE UPDATE OF state ON sponsorships
         WHEN NEW.state = 'signed' AND (SELECT count(*) FROM sponsorships WHERE state = 'signed') >= {signatures}
         BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
    ));
    sqlx::query(trigger).execute(&world.store.database().pool()).await.unwrap();
}

async fn make_room(world: &World) {
    sqlx::query("DROP TRIGGER full").execute(&world.store.database().pool()).await.unwrap();
}

#[tokio::test]
async fn while_another_file_or_none_is_in_the_place_of_the_database_nothing_is_signed() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let params = json!([op, ACCOUNT, world.approval(&mut dapp, &op).await]);
    let (file, away) = (world.dir.path().join("relay.db"), world.dir.path().join("away"));
    fs::rename(&file, &away).unwrap();
    for reason in ["moved or removed", "replaced by another"] {
        let refusal = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap_err();
        refusal.assert_is(-32603, "claims_unavailable", true);
        let problem = world.relay.readiness.ready().await.unwrap_err().to_string();
        assert!(problem.contains(reason) && problem.contains("relay.db"), "{problem}");
        assert!(world.problem("store").await.unwrap().contains(reason));
        fs::copy(&away, &file).unwrap();
    }
    assert_eq!(world.sponsorships(), 0);
    fs::rename(&away, &file).unwrap();
    world.relay.readiness.ready().await.unwrap();
    world.client.call("pm_sponsor_with_tee", params).await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_gone_is_retryable_and_signs_nothing() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let passkey = world.approval(&mut dapp, &op).await;
    world.store.database().close().await;
    let refusal = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey])).await.unwrap_err();
    refusal.assert_is(-32603, "claims_unavailable", true);
    assert_eq!(world.sponsorships(), 0);
    assert!(world.relay.readiness.ready().await.is_err());
}
