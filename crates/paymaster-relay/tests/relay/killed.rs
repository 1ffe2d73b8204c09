//! A relay that is killed (SIGKILL) at any moment: what was acknowledged is there, and every
//! counter is what the rows say, before anything is recounted.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use paymaster_relay::store::{NewSponsorship, Reserved, SqliteStore, Store};
use proto::{Uint256, UserOpHash};
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tempfile::TempDir;

use crate::counters::spending_agrees;
use crate::store::samples::{PLENTY, deployment, limits, proven, read, signed, sponsorship};
use crate::store::spending::under;

const CHILD: &str = "killed::a_store_until_it_is_killed";
const FOLDER: &str = "RELAY_TEST_FOLDER_OF_THE_KILLED";
/// 2026-11-28 13:30:00 UTC.
const NOW: u64 = 1_795_872_600;

#[tokio::test]
async fn a_store_that_is_killed_after_any_step_loses_and_doubles_nothing() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("relay.db");
    let mut acknowledged = Vec::new();
    for steps in 1..=12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", CHILD, "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut reported = lines.filter_map(|line| {
            let (id, state) = line.strip_prefix("acknowledged ")?.split_once(' ')?;
            Some((id.to_owned(), state.to_owned()))
        });
        acknowledged.extend(reported.by_ref().take(steps));
        child.kill().unwrap();
        child.wait().unwrap();
        // Acknowledged before it died.
        acknowledged.extend(reported);
        check(&file, &acknowledged).await;
    }
    assert!(acknowledged.len() >= 78, "{}", acknowledged.len());
}

async fn check(file: &Path, acknowledged: &[(String, String)]) {
    let pool = SqlitePoolOptions::new().connect_with(SqliteConnectOptions::new().filename(file)).await.unwrap();
    for (id, reported) in acknowledged {
        let states: Vec<String> =
            sqlx::query_scalar("SELECT state FROM sponsorships WHERE id = ?1").bind(id).fetch_all(&pool).await.unwrap();
        let rank = |state: &str| ["reserved", "signed", "settled"].iter().position(|known| *known == state).unwrap();
        assert_eq!(states.len(), 1, "{id}");
        assert!(rank(&states[0]) >= rank(reported), "{id} was {reported} and is {}", states[0]);
    }
    let differences: i64 =
        sqlx::query_scalar("SELECT count(*) FROM (SELECT * FROM open_charges EXCEPT SELECT * FROM open_reservations)")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(differences, 0, "counters of open reservations");
    spending_agrees(&pool).await;
    pool.close().await;
}

/// Reserves, signs and settles, several at once, and reports what the store acknowledged.
#[tokio::test]
#[ignore = "run, and killed, by a_store_that_is_killed_after_any_step_loses_and_doubles_nothing"]
async fn a_store_until_it_is_killed() {
    let folder = std::env::var(FOLDER).unwrap();
    let store = Arc::new(SqliteStore::open(&Path::new(&folder).join("relay.db")).await.unwrap());
    let report = |id: &str, state: &str| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "acknowledged {id} {state}").unwrap();
        out.flush().unwrap();
    };
    let one_after_another = |_| {
        let store = Arc::clone(&store);
        async move {
            loop {
                let new = new_one();
                let outcome = store.reserve(&new, &limits(&new, PLENTY)).await.unwrap();
                assert_eq!(outcome, Reserved::Recorded);
                report(new.id.as_str(), "reserved");
                let mut result = signed(1);
                result.user_op_hash = UserOpHash(new.intent.0);
                assert!(store.record_signed(&new.id, &new.terms, &result).await.unwrap());
                report(new.id.as_str(), "signed");
                // Read from its block alone, since others are mined there as well.
                let mut blocks = read(2, 0, Some((result.user_op_hash, 1)));
                (blocks.from, blocks.to) = (2, 2);
                assert_eq!(store.settle(&deployment(), &blocks).await.unwrap().ours, 1);
                report(new.id.as_str(), "settled");
            }
        }
    };
    futures_util::future::join_all((0..4).map(one_after_another)).await;
}

fn new_one() -> NewSponsorship {
    let limits = json!([
        { "per": "policy", "window": "day", "max_wei": (PLENTY * PLENTY).to_string(), "max_operations": 1_000_000 },
        { "per": "account", "window": "total", "max_gas": 1_000_000_000 },
    ]);
    let mut new = sponsorship(1, proven(), None);
    let mut hash = Uint256::default().0;
    hash[..16].copy_from_slice(&uuid::Uuid::new_v4().into_bytes());
    new.intent.0 = hash;
    under(&limits, NOW, new)
}
