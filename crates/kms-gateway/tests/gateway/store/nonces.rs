//! Nonces of relay keys.

use std::sync::Arc;

use kms_gateway::store::{Claim, HOLD_SECONDS, NonceClaim};
use proto::Address;
use tokio::task::JoinSet;

use super::Storage;
use super::samples::claim;
use crate::support::NOW;

pub async fn a_nonce_is_valid_once_while_it_is_held(storage: &dyn Storage) {
    let store = storage.open().await;
    for (now, expected) in [
        (NOW, Claim::Fresh),
        (NOW, Claim::Replayed),
        (NOW + HOLD_SECONDS, Claim::Replayed),
        (NOW - HOLD_SECONDS, Claim::Replayed),
    ] {
        assert_eq!(store.claim_nonce(claim(1, now)).await.unwrap(), expected, "{now}");
    }
    assert_eq!(store.claim_nonce(claim(u64::MAX, NOW)).await.unwrap(), Claim::Fresh);
}

pub async fn nonces_of_different_keys_are_independent(storage: &dyn Storage) {
    let store = storage.open().await;
    for signer in [Address([1; 20]), Address([2; 20])] {
        let claim = NonceClaim { signer, ..claim(1, NOW) };
        assert_eq!(store.claim_nonce(claim).await.unwrap(), Claim::Fresh);
        assert_eq!(store.claim_nonce(claim).await.unwrap(), Claim::Replayed);
    }
}

pub async fn of_equal_concurrent_claims_one_is_fresh(storage: &dyn Storage) {
    let store = storage.open().await;
    let mut contest = JoinSet::new();
    for _ in 0..24 {
        let store = Arc::clone(&store);
        contest.spawn(async move { store.claim_nonce(claim(1, NOW)).await.unwrap() });
    }
    let outcomes = contest.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Claim::Fresh).count(), 1);
}

pub async fn a_released_nonce_is_valid_again(storage: &dyn Storage) {
    let store = storage.open().await;
    assert_eq!(store.claim_nonce(claim(1, NOW)).await.unwrap(), Claim::Fresh);
    for _ in 0..2 {
        store.release_nonce(claim(1, NOW)).await.unwrap();
    }
    assert_eq!(store.claim_nonce(claim(1, NOW + 1)).await.unwrap(), Claim::Fresh);
}

pub async fn a_nonce_is_released_only_by_its_own_claim(storage: &dyn Storage) {
    let store = storage.open().await;
    assert_eq!(store.claim_nonce(claim(1, NOW)).await.unwrap(), Claim::Fresh);
    store.release_nonce(claim(1, NOW - 1)).await.unwrap();
    store.release_nonce(NonceClaim { signer: Address([2; 20]), ..claim(1, NOW) }).await.unwrap();
    assert_eq!(store.claim_nonce(claim(1, NOW)).await.unwrap(), Claim::Replayed);
}

pub async fn a_nonce_stays_used_after_a_restart_and_after_the_clock_was_ahead(storage: &dyn Storage) {
    const DAYS: u64 = 9 * 86_400;
    let store = storage.open().await;
    store.claim_nonce(claim(1, NOW)).await.unwrap();
    store.claim_nonce(claim(2, NOW + DAYS)).await.unwrap();
    drop(store);
    let store = storage.open().await;
    assert_eq!(store.claim_nonce(claim(1, NOW + 1)).await.unwrap(), Claim::Replayed);
    assert_eq!(store.claim_nonce(claim(2, NOW + DAYS + 1)).await.unwrap(), Claim::Replayed);
}
