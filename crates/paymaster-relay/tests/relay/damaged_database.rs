//! A page of the database is damaged while the relay is stopped, as by a faulty disk.

use std::sync::Arc;
use std::time::Duration;

use devkit::Log;
use paymaster_relay::claims::{ClaimStore as _, SqliteClaims};
use paymaster_relay::ports::SystemClock;
use paymaster_relay::sqlite::Database;
use paymaster_relay::store::{NewSponsorship, Principal, SqliteStore, Store as _};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::store::samples::{PLENTY, limits, sponsorship};

/// A store in which the root page of an index was zeroed: that by which sponsorships are found.
async fn damaged(folder: &TempDir) -> SqliteStore {
    let file = folder.path().join("relay.sqlite");
    let store = SqliteStore::open(&file).await.unwrap();
    store.reserve(&sample(1), &limits(&sample(1), PLENTY)).await.unwrap();
    let pool = store.database().pool();
    let page = sqlx::query_scalar("SELECT rootpage FROM sqlite_master WHERE name = 'sponsorships_by_intent'");
    let page: u32 = page.fetch_one(&pool).await.unwrap();
    pool.close().await;
    store.database().close().await;
    Database::check_pages(&file).await.unwrap();
    devkit::zero_page(&file, page).unwrap();
    let why = Database::check_pages(&file).await.unwrap_err().to_string();
    assert!(why.contains("restore the newest copy"), "{why}");
    SqliteStore::open(&file).await.unwrap()
}

fn sample(number: u8) -> NewSponsorship {
    let mut new = sponsorship(0, Principal::Account(format!("account-{number}").parse().unwrap()), None);
    new.intent.0[0] = number;
    new
}

/// Other rows can still be written. The report is confirmed in the background.
async fn is_told_for_good(store: &SqliteStore, log: &Log) {
    while store.ready().await.is_ok() {
        sleep(Duration::from_millis(5)).await;
    }
    let claims = SqliteClaims::new(store.database(), Arc::new(SystemClock));
    for _ in 0..3 {
        for why in [store.ready().await.unwrap_err().to_string(), claims.ready().await.unwrap_err().to_string()] {
            assert!(why.contains("relay.sqlite is damaged") && why.contains("malformed"), "{why}");
        }
        claims.tidy().await.unwrap();
        claims.takes_claims().await.unwrap();
    }
    assert_eq!(log.lines("the relay's database is failing").len(), 1);
    assert_eq!(log.lines("recovered"), Vec::<String>::new());
}

#[tokio::test]
async fn damage_that_a_write_finds_is_told_for_good_and_what_is_intact_is_served() {
    let (log, folder) = (Log::start(), TempDir::new().unwrap());
    let store = damaged(&folder).await;
    store.ready().await.unwrap();
    store.reserve(&sample(2), &limits(&sample(2), PLENTY)).await.unwrap_err();
    is_told_for_good(&store, &log).await;
}

#[tokio::test]
async fn damage_that_a_reader_finds_is_told_for_good_and_what_is_intact_is_served() {
    let (log, folder) = (Log::start(), TempDir::new().unwrap());
    let store = damaged(&folder).await;
    store.ready().await.unwrap();
    let NewSponsorship { intent, principal, .. } = sample(1);
    store.find(&intent, &principal, 0).await.unwrap_err();
    is_told_for_good(&store, &log).await;
}
