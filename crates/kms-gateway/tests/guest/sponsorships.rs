//! Ten thousand sponsorships in a row: nothing leaks. Measures the duration of each for one client
//! and for twenty.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::keys::RelayKey;
use crate::kms::Kms;
use crate::ledger::{Account, Ledger, now, request};
use crate::machine::Machine;
use crate::trouble::say;

const ALONE: u64 = 1000;
const CLIENTS: u64 = 20;
const OF_EACH: u64 = 450;

pub async fn run(machine: &Machine) {
    let running = machine.boot("room");
    let kms = Kms::at(&running.url);
    let relay = Arc::new(Ledger::begin(&kms).await.relay);
    let mut accounts = Vec::new();
    for _ in 0..=CLIENTS {
        let (passkey, created) = kms.new_account().await.unwrap();
        accounts.push(Account { passkey, created });
    }
    let alone = accounts.pop().unwrap();
    let began = Instant::now();
    report("one client", sponsor(running.url.clone(), alone, Arc::clone(&relay), 0, ALONE).await, began);

    let mut clients = JoinSet::new();
    let began = Instant::now();
    for (client, account) in (1..).zip(accounts) {
        clients.spawn(sponsor(running.url.clone(), account, Arc::clone(&relay), client, OF_EACH));
    }
    report("twenty clients", clients.join_all().await.concat(), began);

    let room = machine.numbers("room for ", " bytes");
    let least = |share: &[u64]| share.iter().min().copied().unwrap();
    let (early, late) = (least(&room[room.len() / 3..room.len() * 2 / 3]), least(&room[room.len() * 2 / 3..]));
    say(&format!("free memory of the trusted application: {early} bytes at first, {late} later"));
    assert!(room.len() > 20 && late >= early, "it leaks memory: {room:?}");
    assert_eq!(machine.secure_world_said("[TA] panic at"), 0);
    let queue = kms.get("/QueueStatus").await.unwrap();
    assert_eq!((&queue["reopened"], &queue["consecutive_failures"]), (&0.into(), &0.into()));
    say("ten thousand sponsorships in one session of one instance");
}

/// This many sponsorships of one account in sequence, and the duration of each.
async fn sponsor(url: String, account: Account, relay: Arc<RelayKey>, client: u64, times: u64) -> Vec<Duration> {
    let kms = Kms::at(&url);
    let mut request = request(account.passkey, &account.created, &relay, client * 1_000_000);
    let mut took = Vec::new();
    for _ in 0..times {
        request.timestamp = now();
        request = request.next(&relay);
        let began = Instant::now();
        let sponsored = kms.send(request.over_http(&kms)).await.unwrap();
        took.push(began.elapsed());
        assert!(sponsored["paymasterAndData"].is_string(), "{sponsored}");
    }
    took
}

fn report(who: &str, mut took: Vec<Duration>, began: Instant) {
    took.sort_unstable();
    let percentile = |percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    let rate = took.len() as f64 / began.elapsed().as_secs_f64();
    say(&format!(
        "{who}: {} sponsorships, {rate:.0} per second, p50 {:.1} ms, p99 {:.1} ms",
        took.len(),
        percentile(50),
        percentile(99)
    ));
}
