//! One suite for every store of policies. Another implementation needs a test that calls
//! [`keeps_the_rules`].

use paymaster_relay::register::{Appended, PolicyState, PolicyStore, PolicyVersion, Seed, SqlitePolicies};
use paymaster_relay::store::SqliteStore;
use serde_json::json;
use tempfile::TempDir;

fn version(id: &str, version: u64, position: i64) -> PolicyVersion {
    PolicyVersion {
        id: id.to_owned(),
        version,
        state: PolicyState::Enabled,
        position,
        policy: json!({ "id": id, "text": version }),
        author: "uid 7".to_owned(),
        note: (version > 1).then(|| "why".to_owned()),
        created_at: 1_700_000_000 + version,
    }
}

async fn keeps_the_rules(store: &dyn PolicyStore) {
    let empty = store.newest().await.unwrap();
    assert_eq!((empty.versions, empty.change, store.last_change().await.unwrap()), (Vec::new(), 0, 0));
    let seeds = [Seed { id: "a".into(), position: 10, policy: json!({ "id": "a" }) }];
    let first = [version("a", 1, 10), version("b", 1, 20)];
    let Appended::Recorded(change) = store.append(0, &first, Some(&seeds)).await.unwrap() else { panic!("overtaken") };
    assert_eq!(store.seeds().await.unwrap(), seeds);
    assert_eq!(store.last_change().await.unwrap(), change);

    // Two that both saw the first change: the other is overtaken, also by its seeds.
    let Appended::Recorded(later) = store.append(change, &[version("b", 2, 5)], None).await.unwrap() else {
        panic!("overtaken")
    };
    assert_eq!(store.append(change, &[version("a", 2, 10)], Some(&[])).await.unwrap(), Appended::Overtaken);
    assert_eq!(store.seeds().await.unwrap(), seeds);
    let newest = store.newest().await.unwrap();
    assert!(later > change && newest.change == later && store.last_change().await.unwrap() == later);
    assert_eq!(newest.versions, [version("b", 2, 5), version("a", 1, 10)], "in the order of positions");
    assert_eq!(store.history("b").await.unwrap(), [version("b", 1, 20), version("b", 2, 5)]);
    assert_eq!(store.history("c").await.unwrap(), []);

    // All or nothing: the second of these exists.
    store.append(later, &[version("c", 1, 1), version("b", 2, 1)], Some(&[])).await.unwrap_err();
    assert_eq!(store.newest().await.unwrap().change, later);
    assert_eq!(store.seeds().await.unwrap(), seeds);
    let Appended::Recorded(last) = store.append(later, &[], Some(&[])).await.unwrap() else { panic!("overtaken") };
    assert_eq!((last, store.seeds().await.unwrap()), (later, Vec::new()));
}

#[tokio::test]
async fn sqlite_keeps_the_rules_and_versions_for_ever() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(&dir.path().join("relay.db")).await.unwrap();
    keeps_the_rules(&SqlitePolicies::new(store.database())).await;
    let pool = store.database().pool();
    for statement in ["UPDATE policy_versions SET author = 'nobody'", "DELETE FROM policy_versions"] {
        let refused = sqlx::query(sqlx::SqlStr::from_static(statement)).execute(&pool).await.unwrap_err();
        assert!(refused.to_string().contains("is never"), "{refused}");
    }
}
