//! Behaviour specific to the embedded database: it compares its counters of open reservations with
//! its rows, and migrates the data of earlier versions.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use paymaster_relay::clients::ApiKeyId;
use paymaster_relay::sqlite::Database;
use paymaster_relay::store::{KeySpace, Ledger, Principal, SqliteStore, Store, UsageBy, UsageQuery, UsageRow};
use proto::{Address, IntentHash, Wei};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, SqlitePool};
use tempfile::TempDir;

use crate::store::samples::{contracts, deployment, key, proven, release_expired, reserve, sponsorship};

/// The migrations before rows had a chain.
const BEFORE_CHAINS: [&str; 12] = [
    "0001_sponsorships.sql",
    "0002_api_keys.sql",
    "0003_counters.sql",
    "0004_callers.sql",
    "0005_mined.sql",
    "0006_key_spaces.sql",
    "0007_usage_of_two_days.sql",
    "0008_public_share.sql",
    "0009_chain.sql",
    "0010_known_blocks.sql",
    "0011_counters_of_each_row.sql",
    "0012_block_of_reservation.sql",
];

type Row = (String, String, i64, i64);

/// The counters, which must agree with the rows.
pub async fn counters(store: &SqliteStore) -> Vec<Row> {
    let rows: Vec<Row> = sqlx::query_as("SELECT scope, subject, open, gwei FROM open_reservations ORDER BY 1, 2")
        .fetch_all(&store.database().pool())
        .await
        .unwrap();
    let sums: Vec<Row> = sqlx::query_as("SELECT scope, subject, open, gwei FROM open_charges ORDER BY 1, 2")
        .fetch_all(&store.database().pool())
        .await
        .unwrap();
    assert_eq!(rows, sums, "the counters agree with the rows");
    spending_agrees(&store.database().pool()).await;
    rows
}

/// The totals of the months agree with the rows, unless some were deleted.
pub async fn monthly_totals(store: &SqliteStore) {
    const COUNTED: &str = "SELECT * FROM monthly_totals WHERE settled <> 0 OR released <> 0 OR cost_gwei <> 0";
    let pool = store.database().pool();
    let has_all: bool = sqlx::query_scalar("SELECT count(*) = coalesce(max(rowid), 0) FROM sponsorships")
        .fetch_one(&pool)
        .await
        .unwrap();
    for (left, right) in [(COUNTED, "SELECT * FROM monthly_sums"), ("SELECT * FROM monthly_sums", COUNTED)] {
        let differences: i64 =
            sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM ({left} EXCEPT {right})")))
                .fetch_one(&pool)
                .await
                .unwrap();
        assert!(differences == 0 || !has_all, "{left}");
    }
}

/// What policies spend must agree with the rows.
pub async fn spending_agrees(pool: &SqlitePool) {
    const KEY: &str = "policy_id || '/' || scope || '/' || subject || '/' || window_name || '/' || window_start || '/'
        || unit || '/' || chain_id AS key";
    // Windows may have been forgotten.
    let sums = format!(
        "SELECT * FROM (SELECT {KEY}, sum(reserved) AS open, sum(settled) AS spent FROM policy_charges GROUP BY 1)
         WHERE (open <> 0 OR spent <> 0)
             AND (open <> 0 OR key IN (SELECT {KEY} FROM policy_usage)) ORDER BY 1"
    );
    let [rows, sums] = [format!("SELECT {KEY}, reserved, settled FROM policy_usage ORDER BY 1"), sums]
        .map(|query| sqlx::query_as(AssertSqlSafe(query)));
    let rows: Vec<(String, i64, i64)> = rows.fetch_all(pool).await.unwrap();
    let sums: Vec<(String, i64, i64)> = sums.fetch_all(pool).await.unwrap();
    assert_eq!(rows, sums, "what policies spend agrees with the rows");
}

#[tokio::test]
async fn counters_that_differ_from_their_rows_are_counted_again_at_the_next_start() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("relay.db");
    let store = SqliteStore::open(&file).await.unwrap();
    reserve(&store, &sponsorship(1, proven(), Some(key()))).await;
    reserve(&store, &sponsorship(2, Principal::Anonymous, None)).await;
    let right = counters(&store).await;
    for damage in [
        "UPDATE open_reservations SET gwei = gwei + 1 WHERE scope = 'deployment'",
        "DELETE FROM open_reservations WHERE scope = 'account'",
        "INSERT INTO open_reservations VALUES (1, zeroblob(20), zeroblob(20), 'unproven', '', 3, 3)",
    ] {
        sqlx::query(damage).execute(&store.database().pool()).await.unwrap();
    }
    store.database().close().await;
    let store = SqliteStore::open(&file).await.unwrap();
    assert_eq!(counters(&store).await, right);
}

#[tokio::test]
async fn a_database_without_counters_is_migrated_with_its_open_reservations_in_them() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("relay.db");
    first_layout(&dir, &file).await;

    let store = taken_over(&file).await;
    let expected = [
        ("account".to_owned(), "account:alice".to_owned(), 2, 30),
        ("account".to_owned(), "account:bob".to_owned(), 1, 40),
        ("deployment".to_owned(), String::new(), 3, 70),
    ];
    assert_eq!(counters(&store).await, expected);
    let alice = proven();
    let record = store.find(&IntentHash([1; 32]), &alice, 0).await.unwrap().unwrap();
    assert_eq!(record.terms.valid_until, 600);
    let space = KeySpace::of(1, &alice, true, &Address([0; 20]));
    assert_eq!(store.use_of_key(&space, "order-1").await.unwrap().map(|found| found.intent), Some(IntentHash([1; 32])));
    assert_eq!(release_expired(&store, contracts(), 601).await, 3);
    assert_eq!(counters(&store).await, []);
}

#[tokio::test]
async fn what_an_earlier_version_settled_and_released_is_in_the_totals() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("relay.db");
    first_layout(&dir, &file).await;
    let pool = migrated(&dir, &file, &["0001_sponsorships.sql"]).await;
    let settled =
        "UPDATE sponsorships SET settled_block = 5, settled_cost_gwei = 900, succeeded = 1 WHERE state = 'settled'";
    sqlx::query(settled).execute(&pool).await.unwrap();
    pool.close().await;

    let store = taken_over(&file).await;
    monthly_totals(&store).await;
    let query = UsageQuery { by: UsageBy::Month, from: None, to: None, skip: 0 };
    let row = UsageRow {
        month: "1970-01".to_owned(),
        chain_id: 1,
        subject: String::new(),
        settled: 1,
        succeeded: 1,
        reverted: 0,
        released: 1,
        worst_case: Wei(1_000_000_000_000),
        cost: Wei(900_000_000_000),
        gas_used: 0,
    };
    assert_eq!(store.usage(&query).await.unwrap(), [row]);
}

#[tokio::test]
async fn a_signature_without_a_passkey_by_an_earlier_version_is_counted_as_unproven() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("relay.db");
    first_layout(&dir, &file).await;
    let pool = migrated(&dir, &file, &["0001_sponsorships.sql"]).await;
    for (number, account) in [(6, "carol"), (7, "dave")] {
        insert_first(&pool, number, account, "signed", 100, "same-order", Some(&[0; 32])).await;
    }
    insert_first(&pool, 8, "alice", "signed", 1, "order-8", Some(&[7; 32])).await;
    pool.close().await;
    // The intermediate version treated all of these as proven, and sponsored one of them again for
    // an anonymous caller.
    let all = ["0001_sponsorships.sql", "0002_api_keys.sql", "0003_counters.sql"];
    let pool = migrated(&dir, &file, &all).await;
    let publishable = key();
    sqlx::query(
        "INSERT INTO api_keys (id, hash, label, kind, scopes, policies, origins, created_at)
         VALUES (?1, zeroblob(32), 'page', 'publishable', '[\"sponsor\"]', '[\"default\"]', '[\"*\"]', 1)",
    )
    .bind(publishable.as_str())
    .execute(&pool)
    .await
    .unwrap();
    insert_first(&pool, 9, "erin", "signed", 1000, "order-9", Some(&[0; 32])).await;
    insert_first(&pool, 10, "erin", "signed", 2000, "order-10", Some(&[0; 32])).await;
    for (number, api_key) in [(7, None), (9, Some(&publishable)), (10, None)] {
        let change = match number {
            7 => {
                "INSERT INTO sponsorships SELECT 'again', intent_hash, account_id, idempotency_key, policy_id,
                     entry_point, sender, account_nonce, paymaster, verification_gas_limit, valid_after, valid_until,
                     10000, state, created_at, NULL, user_op_hash, result, settled_block, settled_cost_gwei,
                     succeeded, ?2, 0, 1 FROM sponsorships WHERE id = ?1"
            }
            _ => "UPDATE sponsorships SET api_key = ?2, proven = 0 WHERE id = ?1",
        };
        let api_key = api_key.map(ApiKeyId::as_str);
        sqlx::query(change).bind(number.to_string()).bind(api_key).execute(&pool).await.unwrap();
    }
    pool.close().await;

    let store = taken_over(&file).await;
    let by_key = format!("key:{publishable}");
    let expected = [
        ("account", "account:alice", 3, 31),
        ("account", "account:bob", 1, 40),
        ("account", "account:dave", 1, 100),
        ("api_key", publishable.as_str(), 1, 1000),
        ("deployment", "", 9, 13_271),
        ("unproven", "", 4, 13_100),
        ("unproven_caller", "anonymous", 3, 12_100),
        ("unproven_caller", &by_key, 1, 1000),
        ("unproven_public", "", 4, 13_100),
    ];
    let expected = expected.map(|(scope, subject, open, gwei)| (scope.to_owned(), subject.to_owned(), open, gwei));
    assert_eq!(counters(&store).await, expected);
    let space = KeySpace::of(1, &Principal::Anonymous, false, &Address([0; 20]));
    assert_eq!(
        store.use_of_key(&space, "order-10").await.unwrap().map(|found| found.intent),
        Some(IntentHash([10; 32]))
    );
    let rate: (i64, i64) = sqlx::query_as("SELECT calls_per_minute, burst FROM api_keys")
        .fetch_one(&store.database().pool())
        .await
        .unwrap();
    assert_eq!(rate, (600, 600), "a publishable key has a rate");
}

/// A database from before there were counters, with sponsorships in every state.
async fn first_layout(dir: &TempDir, file: &Path) {
    let pool = migrated(dir, file, &["0001_sponsorships.sql"]).await;
    for (number, account, state, cost) in [
        (1u8, "alice", "reserved", 10),
        (2, "alice", "signed", 20),
        (3, "alice", "settled", 1000),
        (4, "alice", "released", 1000),
        (5, "bob", "signed", 40),
    ] {
        insert_first(&pool, number, account, state, cost, &format!("order-{number}"), None).await;
    }
    pool.close().await;
}

/// A database with exactly these migrations.
async fn migrated(dir: &TempDir, file: &Path, names: &[&str]) -> SqlitePool {
    let migrations = dir.path().join("migrations");
    std::fs::create_dir_all(&migrations).unwrap();
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    for name in names {
        std::fs::copy(committed.join(name), migrations.join(name)).unwrap();
    }
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let pool = SqlitePoolOptions::new().connect_with(options).await.unwrap();
    Migrator::new(migrations).await.unwrap().run(&pool).await.unwrap();
    pool
}

/// A row with the columns of the first migration; a `signed` one has an approval with that hash.
async fn insert_first(
    pool: &SqlitePool,
    number: u8,
    account: &str,
    state: &str,
    cost: i64,
    idempotency_key: &str,
    user_signature_hash: Option<&[u8]>,
) {
    sqlx::query(
        "INSERT INTO sponsorships (id, intent_hash, account_id, idempotency_key, policy_id, entry_point, sender,
             account_nonce, paymaster, verification_gas_limit, valid_after, valid_until, max_cost_gwei, state,
             created_at, user_signature_hash)
         VALUES (?1, ?2, ?3, ?4, 'default', ?5, zeroblob(20), zeroblob(32), ?6, 1, 0, 600, ?7, ?8, 1, ?9)",
    )
    .bind(number.to_string())
    .bind(&[number; 32][..])
    .bind(account)
    .bind(idempotency_key)
    .bind(&[1; 20][..])
    .bind(&[2; 20][..])
    .bind(cost)
    .bind(state)
    .bind(user_signature_hash)
    .execute(pool)
    .await
    .unwrap();
}

/// A store whose rows without a chain are assigned to chain 1.
async fn taken_over(file: &Path) -> SqliteStore {
    let store = SqliteStore::open(file).await.unwrap();
    store.database().take_over(&[1]).await.unwrap();
    store
}

#[tokio::test]
async fn rows_of_a_database_that_noted_its_chain_belong_to_that_chain_whichever_are_served() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("relay.db");
    first_layout(&dir, &file).await;
    let pool = migrated(&dir, &file, &BEFORE_CHAINS).await;
    for statement in [
        "INSERT INTO chain (only, id) VALUES (1, '1')",
        "INSERT INTO known_blocks (number, hash) VALUES (7, zeroblob(32))",
        "INSERT INTO settlement_cursors (entry_point, paymaster, next_block, highest_block)
         SELECT DISTINCT entry_point, paymaster, 8, 9 FROM sponsorships",
    ] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    pool.close().await;

    let due = Database::look_at(&file, &[2, 1]).await.unwrap();
    assert!(due.is_some_and(|due| due > 0), "{due:?}");
    let store = SqliteStore::open(&file).await.unwrap();
    store.database().take_over(&[2, 1]).await.unwrap();
    assert_eq!(Database::look_at(&file, &[2, 1]).await.unwrap(), Some(0));
    assert_eq!(counters(&store).await.last(), Some(&("deployment".to_owned(), String::new(), 3, 70)));
    assert_eq!(store.next_blocks(1).await.unwrap(), [(contracts(), 8)]);
    assert_eq!((store.highest_block(1).await.unwrap(), store.highest_block(2).await.unwrap()), (Some(9), None));
    assert_eq!((store.known_blocks(1).await.unwrap().len(), store.known_blocks(2).await.unwrap().len()), (1, 0));
    assert_eq!(release_expired(&store, contracts(), 601).await, 3);
}

#[tokio::test]
async fn rows_of_a_database_that_noted_no_chain_are_taken_over_by_a_node_of_one_chain_alone() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("relay.db");
    first_layout(&dir, &file).await;
    let refused = async || Database::look_at(&file, &[1, 2]).await.unwrap_err().to_string();
    let before_migrations = refused().await;
    assert!(Database::look_at(&file, &[1]).await.unwrap().is_some_and(|due| due > 0));
    let store = SqliteStore::open(&file).await.unwrap();
    let error = store.database().take_over(&[1, 2]).await.unwrap_err().to_string();
    assert!(error.ends_with("start the node once with that chain alone"), "{error}");
    assert_eq!((before_migrations, refused().await), (error.clone(), error));
    assert_eq!(Database::look_at(&file, &[1]).await.unwrap(), Some(0));
    for chain_ids in [&[1][..], &[1, 2]] {
        store.database().take_over(chain_ids).await.unwrap();
    }
    assert_eq!(store.reserved(&deployment()).await.unwrap().count(), 70);
}

#[tokio::test]
async fn a_database_whose_first_start_was_interrupted_is_migrated() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("relay.db");
    let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let pool = SqlitePoolOptions::new().connect_with(options).await.unwrap();
    sqlx::query("PRAGMA user_version = 0").execute(&pool).await.unwrap();
    pool.close().await;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let due = Database::look_at(&file, &[1, 2]).await.unwrap();
    assert!(due.is_some_and(|due| due > 0), "{due:?}");
    let store = SqliteStore::open(&file).await.unwrap();
    assert_eq!(Database::look_at(&file, &[1, 2]).await.unwrap(), Some(0));
    store.database().close().await;
}
