//! Guarantees for the whole store.

use kms_gateway::store::Claim;

use super::Storage;
use super::samples::{account, claim, created, creation, leave, sponsored};
use crate::support::NOW;

pub async fn a_store_that_is_closed_writes_nothing(storage: &dyn Storage) {
    let store = storage.open().await;
    store.append_audit(sponsored()).await.unwrap();
    store.close().await;
    assert!(store.claim_nonce(claim(1, NOW)).await.is_err());
    assert!(store.append_audit(sponsored()).await.is_err());
    assert!(store.save_account(account(1), created()).await.is_err());
    assert!(store.save_creation(creation(1)).await.is_err());
    assert!(store.permit(leave(1, "key:a", 9)).await.is_err());
    assert!(store.probe().await.is_err());
    drop(store);
    let store = storage.open().await;
    assert_eq!(store.claim_nonce(claim(1, NOW)).await.unwrap(), Claim::Fresh);
    assert_eq!((store.count_accounts().await.unwrap(), store.audit_head().await.unwrap().rows), (0, 1));
}

pub async fn a_working_store_passes_its_probe(storage: &dyn Storage) {
    let store = storage.open().await;
    for _ in 0..2 {
        store.probe().await.unwrap();
        store.recent_probe().await.unwrap();
    }
}
