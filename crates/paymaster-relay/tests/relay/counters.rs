//! The counters of open reservations say what the rows say, whatever happens to either.

use std::path::Path;

use paymaster_relay::Deployment;
use paymaster_relay::Gwei;
use paymaster_relay::budget::{Caps, Excess, Limits};
use paymaster_relay::clients::{ApiKeyId, KeyHash};
use paymaster_relay::settings::ReservationSettings;
use paymaster_relay::sqlite::Database;
use paymaster_relay::store::{
    BlocksRead, Contracts, KeySpace, NewSponsorship, Principal, Reserved, Settled, Settlement, Signed, SponsorshipId,
    SqliteStore, State, Store,
};
use proto::{Address, EntryPoint, EntryPointVersion, Hash, IntentHash, Signature, Terms, Uint256, UserOpHash, Wei};
use sqlx::SqlitePool;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tempfile::TempDir;

const GWEI: u128 = 1_000_000_000;
const COST: u128 = 7 * GWEI;
/// What one reservation may cost beside the others here.
const PLENTY: u128 = 1_000_000 * GWEI;

type Row = (String, String, i64, i64);

fn gwei(wei: u128) -> Gwei {
    Gwei::at_least(Wei(wei)).unwrap()
}

pub fn limits(deposit: u128) -> Limits {
    let settings = ReservationSettings {
        max_percent_per_account: 100,
        max_percent_per_api_key: 100,
        max_percent_unproven: 100,
        ..ReservationSettings::default()
    };
    Caps::new(&settings, Wei(1)).unwrap().within(gwei(deposit))
}

fn deployment() -> Deployment {
    Deployment {
        entry_point: EntryPoint { chain_id: 1, address: Address([1; 20]), version: EntryPointVersion::V07 },
        paymaster: Address([2; 20]),
        verification_gas_limit: 60_000,
        min_verification_gas_limit: 30_000,
    }
}

fn contracts() -> Contracts {
    Contracts::from(&deployment())
}

pub fn sponsorship(number: u8, principal: Principal, api_key: Option<ApiKeyId>) -> NewSponsorship {
    NewSponsorship {
        id: SponsorshipId::new(),
        intent: IntentHash([number; 32]),
        account_id: "alice".parse().unwrap(),
        is_vouched: principal != Principal::Anonymous,
        principal,
        api_key,
        idempotency_key: None,
        policy_id: "default".to_owned(),
        deployment: deployment(),
        block: 1,
        sender: Address([3; 20]),
        account_nonce: Uint256::default(),
        terms: Terms {
            paymaster: Address([2; 20]),
            verification_gas_limit: 60_000,
            post_op_gas_limit: 0,
            valid_until: 100 + u64::from(number),
            valid_after: 0,
        },
        max_cost: gwei(COST),
        created_at: 1,
    }
}

fn proven() -> Principal {
    Principal::Account("alice".parse().unwrap())
}

fn key() -> ApiKeyId {
    ApiKeyId::of_hash(&KeyHash([0xab; 32]))
}

fn signed(hash: u8) -> Signed {
    let signature = Signature { r: [1; 32], s: [1; 32], v: 27 };
    Signed {
        user_signature_hash: Hash([1; 32]),
        user_op_hash: UserOpHash([hash; 32]),
        paymaster_signer: Address([4; 20]),
        paymaster_signature: signature,
        account_signature: Some(signature),
        timestamp: 1,
    }
}

async fn counters(store: &SqliteStore) -> Vec<Row> {
    let rows: Vec<Row> = sqlx::query_as("SELECT scope, subject, open, gwei FROM open_reservations ORDER BY 1, 2")
        .fetch_all(&store.database().pool())
        .await
        .unwrap();
    let sums: Vec<Row> = sqlx::query_as("SELECT scope, subject, open, gwei FROM open_charges ORDER BY 1, 2")
        .fetch_all(&store.database().pool())
        .await
        .unwrap();
    assert_eq!(rows, sums, "the counters say what the rows do");
    rows
}

fn row(scope: &str, subject: &str, open: i64) -> Row {
    (scope.to_owned(), subject.to_owned(), open, open * i64::try_from(COST / GWEI).unwrap())
}

async fn reserve(store: &SqliteStore, sponsorship: &NewSponsorship) {
    let outcome = store.reserve(sponsorship, &limits(PLENTY)).await.unwrap();
    assert_eq!(outcome, Reserved::Recorded);
}

/// Blocks up to the latest one, all of which are final but the last `young`, with that one
/// operation in them.
fn read(latest: u64, young: u64, mined: Option<(UserOpHash, u64)>) -> BlocksRead {
    let settlement = |block| Settlement { block, cost: gwei(GWEI), succeeded: true };
    BlocksRead {
        from: 1,
        to: latest,
        latest,
        last_final: latest.checked_sub(young),
        mined: mined.into_iter().map(|(hash, block)| (hash, settlement(block))).collect(),
        next: latest + 1,
    }
}

#[tokio::test]
async fn each_reservation_is_counted_where_it_belongs_and_no_longer_than_it_is_open() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(&dir.path().join("relay.db")).await.unwrap();
    let [one, two, three, four] = [
        sponsorship(1, proven(), None),
        sponsorship(2, proven(), Some(key())),
        sponsorship(3, Principal::ApiKey(key()), Some(key())),
        sponsorship(4, Principal::Anonymous, None),
    ];
    for each in [&one, &two, &three, &four] {
        reserve(&store, each).await;
    }
    let (by_key, key_account) = (format!("key:{}", key()), format!("key:{}/alice", key()));
    let all = [
        row("account", "account:alice", 2),
        row("account", &key_account, 1),
        row("api_key", key().as_str(), 2),
        row("deployment", "", 4),
        row("unproven", "", 2),
        row("unproven_caller", "anonymous", 1),
        row("unproven_caller", &by_key, 1),
        row("unproven_public", "", 1),
    ];
    assert_eq!(counters(&store).await, all);
    assert_eq!(store.reserved(&deployment()).await.unwrap(), gwei(4 * COST));

    assert!(store.record_signed(&two.id, &two.terms, &signed(2)).await.unwrap());
    assert!(store.record_signed(&four.id, &four.terms, &signed(4)).await.unwrap());
    assert_eq!(counters(&store).await, all, "what is signed is still reserved");
    assert!(!store.release(&two.id).await.unwrap());
    assert!(store.release(&one.id).await.unwrap());
    assert!(!store.release(&one.id).await.unwrap());
    for _ in 0..2 {
        let mined = read(1, 0, Some((signed(2).user_op_hash, 1)));
        assert_eq!(store.settle(&deployment(), &mined).await.unwrap().ours, 1);
    }
    let left = [
        row("account", &key_account, 1),
        row("api_key", key().as_str(), 1),
        row("deployment", "", 2),
        row("unproven", "", 2),
        row("unproven_caller", "anonymous", 1),
        row("unproven_caller", &by_key, 1),
        row("unproven_public", "", 1),
    ];
    assert_eq!(counters(&store).await, left);

    assert_eq!(store.release_expired(contracts(), 103).await.unwrap(), 0, "a window lasts to its last second");
    assert_eq!(store.release_expired(contracts(), 104).await.unwrap(), 1);
    assert_eq!(store.release_expired(contracts(), u64::MAX / 2).await.unwrap(), 1);
    assert_eq!(counters(&store).await, []);
    // It was mined after all: what was released is not released again.
    let mined = read(2, 0, Some((signed(4).user_op_hash, 2)));
    assert_eq!(store.settle(&deployment(), &mined).await.unwrap().ours, 1);
    assert_eq!(counters(&store).await, []);
    assert_eq!(store.reserved(&deployment()).await.unwrap(), gwei(0));
}

#[tokio::test]
async fn what_is_mined_is_counted_until_its_block_is_final() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(&dir.path().join("relay.db")).await.unwrap();
    let first = sponsorship(1, proven(), None);
    reserve(&store, &first).await;
    assert!(store.record_signed(&first.id, &first.terms, &signed(1)).await.unwrap());
    let open = counters(&store).await;
    let state = async || store.find(&first.intent, &first.principal, 0).await.unwrap().map(|record| record.state);
    let (hash, stranger) = (signed(1).user_op_hash, signed(9).user_op_hash);

    let mut blocks = read(5, 2, Some((hash, 5)));
    blocks.mined.push((stranger, Settlement { block: 4, cost: gwei(GWEI), succeeded: false }));
    let settled = store.settle(&deployment(), &blocks).await.unwrap();
    assert_eq!((settled.ours, settled.unknown[0].0, settled.reorganised), (1, stranger, 0));
    assert_eq!((state().await, store.next_block(&deployment()).await.unwrap()), (Some(State::Mined), Some(6)));
    assert_eq!(counters(&store).await, open);

    // A request that read the deposit before the operation was mined finds it reserved still.
    let second = sponsorship(2, proven(), None);
    let outcome = store.reserve(&second, &limits(2 * COST - GWEI)).await.unwrap();
    assert_eq!(outcome, Reserved::OverLimit(Excess::Deposit { reserved: gwei(COST) }));
    assert_eq!(
        store.release_expired(contracts(), u64::MAX / 2).await.unwrap(),
        0,
        "it is mined, whatever its window is"
    );

    // Its block is gone, be it replaced by another or not; then it is mined in a later one.
    for latest in [5, 3] {
        store.settle(&deployment(), &read(5, 2, Some((hash, 5)))).await.unwrap();
        let gone = store.settle(&deployment(), &read(latest, 2, None)).await.unwrap();
        assert_eq!(gone, Settled { reorganised: 1, ..Settled::default() });
        assert_eq!((state().await, counters(&store).await), (Some(State::Signed), open.clone()));
    }
    store.settle(&deployment(), &read(7, 2, Some((hash, 6)))).await.unwrap();
    assert_eq!((state().await, counters(&store).await), (Some(State::Mined), open));
    // Of blocks that are not read again nothing is taken back.
    let later = BlocksRead { from: 7, ..read(8, 2, None) };
    assert_eq!(store.settle(&deployment(), &later).await.unwrap(), Settled::default());
    assert_eq!((state().await, counters(&store).await), (Some(State::Settled), Vec::new()));
}

#[tokio::test]
async fn what_is_over_a_limit_or_recorded_already_leaves_no_trace() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(&dir.path().join("relay.db")).await.unwrap();
    let first = sponsorship(1, proven(), None);
    reserve(&store, &first).await;
    let before = counters(&store).await;

    let again = NewSponsorship { id: SponsorshipId::new(), ..first };
    let second = sponsorship(2, proven(), None);
    assert_eq!(store.reserve(&again, &limits(PLENTY)).await.unwrap(), Reserved::AlreadyRecorded);
    let outcome = store.reserve(&second, &limits(2 * COST - GWEI)).await.unwrap();
    assert_eq!(outcome, Reserved::OverLimit(Excess::Deposit { reserved: gwei(COST) }));
    assert_eq!(counters(&store).await, before);
    assert_eq!(store.find(&second.intent, &second.principal, 0).await.unwrap(), None);

    assert_eq!(store.reserve(&second, &limits(2 * COST)).await.unwrap(), Reserved::Recorded);
}

#[tokio::test]
async fn nobody_takes_anothers_intent_or_idempotency_key() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(&dir.path().join("relay.db")).await.unwrap();
    let other_key = ApiKeyId::of_hash(&KeyHash([0xcd; 32]));
    let principals = [proven(), Principal::ApiKey(key()), Principal::ApiKey(other_key), Principal::Anonymous];
    for principal in &principals {
        let mut each = sponsorship(1, principal.clone(), None);
        if let Principal::ApiKey(id) = principal {
            each.api_key = Some(id.clone());
        }
        each.idempotency_key = Some("order-1".to_owned());
        reserve(&store, &each).await;
        let found = store.find(&each.intent, principal, 0).await.unwrap().unwrap();
        assert_eq!(found.id, each.id, "the column spells {principal} as the program does");
        let of_key = store.use_of_key(&each.key_space(), "order-1").await.unwrap().map(|found| found.intent);
        assert_eq!(of_key, Some(each.intent), "the column spells {:?} as the program does", each.key_space());
    }
    assert_eq!(counters(&store).await.iter().find(|row| row.0 == "deployment").unwrap().2, 4);
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
        "INSERT INTO open_reservations VALUES (zeroblob(20), zeroblob(20), 'unproven', '', 3, 3)",
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

    let store = SqliteStore::open(&file).await.unwrap();
    let expected = [
        ("account".to_owned(), "account:alice".to_owned(), 2, 30),
        ("account".to_owned(), "account:bob".to_owned(), 1, 40),
        ("deployment".to_owned(), String::new(), 3, 70),
    ];
    assert_eq!(counters(&store).await, expected);
    let alice = proven();
    let record = store.find(&IntentHash([1; 32]), &alice, 0).await.unwrap().unwrap();
    assert_eq!(record.terms.valid_until, 600);
    let space = KeySpace::of(&alice, true, &Address([0; 20]));
    assert_eq!(store.use_of_key(&space, "order-1").await.unwrap().map(|found| found.intent), Some(IntentHash([1; 32])));
    assert_eq!(store.release_expired(contracts(), 601).await.unwrap(), 3);
    assert_eq!(counters(&store).await, []);
}

#[tokio::test]
async fn what_an_earlier_version_signed_without_a_passkey_is_counted_as_unproven() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("relay.db");
    first_layout(&dir, &file).await;
    let pool = migrated(&dir, &file, &["0001_sponsorships.sql"]).await;
    for (number, account) in [(6, "carol"), (7, "dave")] {
        insert_first(&pool, number, account, "signed", 100, "same-order", Some(&[0; 32])).await;
    }
    insert_first(&pool, 8, "alice", "signed", 1, "order-8", Some(&[7; 32])).await;
    pool.close().await;
    // The version between: it took all of these for proven, and sponsored one of them again for
    // nobody.
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

    let store = SqliteStore::open(&file).await.unwrap();
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
    let space = KeySpace::of(&Principal::Anonymous, false, &Address([0; 20]));
    assert_eq!(
        store.use_of_key(&space, "order-10").await.unwrap().map(|found| found.intent),
        Some(IntentHash([10; 32]))
    );
    let rate: (i64, i64) = sqlx::query_as("SELECT calls_per_minute, burst FROM api_keys")
        .fetch_one(&store.database().pool())
        .await
        .unwrap();
    assert_eq!(rate, (600, 600), "what is public has a rate");
}

/// A database as it was before there were counters: sponsorships of every state.
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

/// A database with these migrations and no others.
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

/// A row with the columns of the first migration; one whose state is `signed` by an approval of
/// that hash.
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

#[tokio::test]
async fn one_job_that_fails_takes_no_other_of_its_transaction_with_it() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(&dir.path().join("relay.db")).await.unwrap();
    // While this holds the connection, all of them wait for one transaction.
    let holding = store.database().pool().acquire().await.unwrap();
    let mut beyond = sponsorship(1, proven(), None);
    beyond.terms.valid_until = u64::MAX;
    let (good, limits) = (sponsorship(2, proven(), None), limits(PLENTY));
    let release = async {
        tokio::task::yield_now().await;
        drop(holding);
    };
    let (bad, good, ()) = tokio::join!(store.reserve(&beyond, &limits), store.reserve(&good, &limits), release);
    assert!(bad.is_err(), "{bad:?}");
    assert_eq!(good.unwrap(), Reserved::Recorded);
    assert_eq!(counters(&store).await.len(), 2);
}

#[tokio::test]
async fn a_connection_whose_transaction_failed_is_replaced() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(&dir.path().join("relay.db")).await.unwrap();
    reserve(&store, &sponsorship(1, proven(), None)).await;
    // A transaction that somebody left open: BEGIN fails on it, for as long as the connection is
    // used.
    sqlx::raw_sql("BEGIN").execute(&store.database().pool()).await.unwrap();
    let second = sponsorship(2, proven(), None);
    store.reserve(&second, &limits(PLENTY)).await.unwrap_err();
    reserve(&store, &second).await;
    assert_eq!(store.reserved(&deployment()).await.unwrap(), gwei(2 * COST));
}

#[tokio::test]
async fn a_database_belongs_to_one_chain() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("relay.db");
    let store = SqliteStore::open(&file).await.unwrap();
    assert_eq!(Database::look_at(&file, 2).await.unwrap(), Some(0), "none is noted yet");
    for _ in 0..2 {
        store.database().belongs_to(1).await.unwrap();
    }
    let error = store.database().belongs_to(2).await.unwrap_err().to_string();
    assert_eq!(error, "it belongs to chain 1, not 2: name another file for each chain");
    store.database().close().await;
    assert_eq!(Database::look_at(&file, 2).await.unwrap_err().to_string(), error);
    assert_eq!(Database::look_at(&file, 1).await.unwrap(), Some(0));
}
