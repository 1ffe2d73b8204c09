//! The account index.

use std::sync::Arc;

use kms_gateway::store::AccountEntry;
use tokio::task::JoinSet;

use super::Storage;
use super::samples::{account, account_id, created};

pub async fn an_account_is_found_by_its_id_and_by_its_credential(storage: &dyn Storage) {
    let store = storage.open().await;
    assert_eq!(store.count_accounts().await.unwrap(), 0);
    store.save_account(account(1), created()).await.unwrap();
    assert!(store.has_account(&account_id(1)).await.unwrap());
    assert!(!store.has_account(&account_id(2)).await.unwrap());
    assert_eq!(store.account_of_credential(&[1; 16]).await.unwrap(), Some(account_id(1)));
    assert_eq!(store.account_of_credential(&[2; 16]).await.unwrap(), None);
    assert_eq!(store.count_accounts().await.unwrap(), 1);
}

pub async fn entries_of_the_index_never_change(storage: &dyn Storage) {
    let store = storage.open().await;
    store.save_account(account(1), created()).await.unwrap();
    let same_id = AccountEntry { credential_id: vec![2; 16], ..account(1) };
    let same_credential = AccountEntry { credential_id: vec![1; 16], ..account(2) };
    for again in [account(1), same_id, same_credential] {
        store.save_account(again, created()).await.unwrap();
    }
    assert_eq!(store.count_accounts().await.unwrap(), 1);
    assert_eq!(store.account_of_credential(&[1; 16]).await.unwrap(), Some(account_id(1)));
    assert_eq!(store.account_of_credential(&[2; 16]).await.unwrap(), None);
}

pub async fn a_new_account_has_one_row_in_the_audit(storage: &dyn Storage) {
    let store = storage.open().await;
    for number in [1, 2] {
        for is_new in [true, false] {
            assert_eq!(store.save_account(account(number), created()).await.unwrap(), is_new);
            assert_eq!(store.verify_audit_chain().await.unwrap().rows, i64::from(number));
        }
    }
    store.append_audit(created()).await.unwrap();
    assert_eq!(store.verify_audit_chain().await.unwrap().rows, 3);
}

pub async fn accounts_saved_concurrently_are_all_there_after_a_restart(storage: &dyn Storage) {
    let store = storage.open().await;
    let mut saved = JoinSet::new();
    for number in 0..16 {
        let store = Arc::clone(&store);
        saved.spawn(async move { store.save_account(account(number), created()).await.unwrap() });
    }
    saved.join_all().await;
    drop(store);
    assert_eq!(storage.open().await.count_accounts().await.unwrap(), 16);
}
