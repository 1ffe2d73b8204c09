//! One suite for every store of API keys. Another implementation needs a test that calls
//! [`keeps_the_rules`].

use std::path::Path;

use paymaster_relay::clients::{
    ApiKey, ApiKeyId, ApiKeyStore, DayCalls, KeyHash, KeyKind, Origins, Rate, Scope, SqliteApiKeys, StoredKey, Usage,
};
use paymaster_relay::store::SqliteStore;
use tempfile::TempDir;

/// A key with every field set.
fn publishable(hash: u8, created_at: u64) -> StoredKey {
    let hash = KeyHash([hash; 32]);
    let key = ApiKey {
        id: ApiKeyId::of_hash(&hash),
        label: "the page".to_owned(),
        kind: KeyKind::Publishable,
        scopes: vec![Scope::Sponsor, Scope::Accounts],
        policies: vec!["gold".to_owned(), "default".to_owned()],
        origins: Origins::try_from(vec!["https://dapp.example".to_owned(), "null".to_owned()]).unwrap(),
        rate: Some(Rate { per_minute: 120, burst: 7 }),
        quota: Some(10_000),
        expires_at: Some(2_000_000_000),
    };
    StoredKey { key, hash, created_at, revoked_at: None, usage: Usage::default() }
}

/// A key without any optional field.
fn server(hash: u8, created_at: u64) -> StoredKey {
    let stored = publishable(hash, created_at);
    let key = ApiKey {
        kind: KeyKind::Server,
        policies: Vec::new(),
        origins: Origins::default(),
        rate: None,
        quota: None,
        expires_at: None,
        ..stored.key
    };
    StoredKey { key, ..stored }
}

fn usage(calls: u64) -> Usage {
    Usage { day: 20_000, calls, last_used_at: Some(1_728_000_001), left: DayCalls { day: 19_999, calls: 3 } }
}

/// The guarantees of a store of API keys. `open` opens it again, as after a restart.
async fn keeps_the_rules<S: ApiKeyStore>(open: impl AsyncFn() -> S) {
    let (first, second) = (publishable(1, 10), server(2, 20));
    let store = open().await;
    assert_eq!(store.all().await.unwrap(), []);

    // Keys are listed in the order of their creation, with every field.
    store.insert(&second).await.unwrap();
    store.insert(&first).await.unwrap();
    assert_eq!(store.all().await.unwrap(), [first.clone(), second.clone()]);

    // Neither ids nor hashes are reused.
    let same_id = StoredKey { hash: KeyHash([9; 32]), ..first.clone() };
    let same_hash = StoredKey { key: ApiKey { id: "other".to_owned().into(), ..first.key.clone() }, ..first.clone() };
    for taken in [&first, &same_id, &same_hash] {
        store.insert(taken).await.unwrap_err();
    }
    assert_eq!(store.all().await.unwrap().len(), 2);

    // A second revocation does not change the time of the first, and affects no other key.
    for at in [30, 40] {
        assert!(store.revoke(&first.key.id, at).await.unwrap());
    }
    assert!(!store.revoke(&"nobody".to_owned().into(), 30).await.unwrap());

    // The usage of several keys is written together; the last value counts.
    let [mine, yours] = [&first, &second].map(|stored| stored.key.id.clone());
    store.record_usage(&[(mine.clone(), usage(1)), (yours, usage(5))]).await.unwrap();
    store.record_usage(&[(mine.clone(), usage(2))]).await.unwrap();
    store.record_usage(&[]).await.unwrap();
    let expected =
        [StoredKey { revoked_at: Some(30), usage: usage(2), ..first }, StoredKey { usage: usage(5), ..second }];
    assert_eq!(store.all().await.unwrap(), expected);
    // A write that fails partially writes nothing.
    let unwritable = Usage { calls: u64::MAX, ..usage(0) };
    store.record_usage(&[(mine.clone(), usage(7)), (mine, unwritable)]).await.unwrap_err();
    assert_eq!(store.all().await.unwrap(), expected);

    drop(store);
    assert_eq!(open().await.all().await.unwrap(), expected);
}

async fn sqlite(file: &Path) -> SqliteApiKeys {
    SqliteApiKeys::new(SqliteStore::open(file).await.unwrap().database())
}

#[tokio::test]
async fn the_embedded_database_keeps_the_rules() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("relay.db");
    keeps_the_rules(async || sqlite(&file).await).await;
}
