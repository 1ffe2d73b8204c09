//! A relay whose disk is temporarily full.

use std::sync::Arc;

use devkit::{SmallDisk, run_on_small_disk};
use paymaster_relay::claims::{ClaimStore as _, SqliteClaims};
use paymaster_relay::ports::SystemClock;
use paymaster_relay::store::{Principal, Reserved, SqliteStore, Store};
use tempfile::TempDir;

use crate::store::samples::{limits, sponsorship};

#[test]
fn on_a_full_disk_the_store_refuses_and_serves_again_when_there_is_room() {
    let folder = TempDir::new().unwrap();
    run_on_small_disk("disk_full::the_store_on_a_small_disk", folder.path()).unwrap();
}

#[tokio::test]
#[ignore = "run by on_a_full_disk_the_store_refuses_and_serves_again_when_there_is_room, on a small disk"]
async fn the_store_on_a_small_disk() {
    let disk = SmallDisk::of_this_process().unwrap();
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(&folder.path().join("relay.sqlite")).await.unwrap();
    let reserve = async |number: u32| {
        let principal = Principal::Account(format!("account-{number}").parse().unwrap());
        let mut new = sponsorship(0, principal, None);
        new.intent.0[..4].copy_from_slice(&number.to_be_bytes());
        store.reserve(&new, &limits(&new, 10_u128.pow(18))).await
    };
    assert_eq!(reserve(0).await.unwrap(), Reserved::Recorded);
    store.ready().await.unwrap();
    let claims = SqliteClaims::new(store.database(), Arc::new(SystemClock));
    disk.fill().unwrap();
    let mut reserved = 1;
    while let Ok(outcome) = reserve(reserved).await {
        assert_eq!(outcome, Reserved::Recorded);
        reserved += 1;
        assert!(reserved < 20_000, "the disk never filled up");
    }
    for number in 0..3 {
        assert!(reserve(reserved + number).await.is_err());
        assert!(claims.takes_claims().await.is_err());
        let why = store.ready().await.unwrap_err().to_string();
        assert!(why.contains("full"), "{why}");
    }

    disk.make_room().unwrap();
    claims.takes_claims().await.unwrap();
    store.ready().await.unwrap();
    assert_eq!(reserve(reserved).await.unwrap(), Reserved::Recorded);
    store.database().close().await;
}
