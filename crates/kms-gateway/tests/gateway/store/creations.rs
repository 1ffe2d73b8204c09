//! Accounts that the TEE was asked to create.

use std::sync::Arc;

use kms_gateway::store::{Creation, Store, UNFINISHED_AT_ONCE, Unfinished};
use proto::AccountId;
use uuid::Uuid;

use super::Storage;
use super::samples::{account, account_id, created, creation};
use crate::support::NOW;

/// When every registration has expired.
const LATER: u64 = NOW + 301;

async fn unfinished(store: &Arc<dyn Store>, which: Unfinished) -> Vec<AccountId> {
    let found = store.unfinished_creations(&which).await.unwrap();
    found.into_iter().map(|found| found.creation.unwrap().account_id).collect()
}

pub async fn a_creation_is_found_until_its_account_is_in_the_index(storage: &dyn Storage) {
    let store = storage.open().await;
    store.save_creation(creation(1)).await.unwrap();
    store.save_creation(creation(2)).await.unwrap();
    let ways =
        || [Unfinished::Of(creation(1).registration_id), Unfinished::Named(account_id(1))].map(|which| (which, 1));
    for (which, number) in ways() {
        let found = store.unfinished_creations(&which).await.unwrap().remove(0).creation.unwrap();
        let expected = creation(number);
        assert_eq!((found.registration_id, found.account_id), (expected.registration_id, expected.account_id));
        assert_eq!((found.asked_at, found.expires_at), (expected.asked_at, expected.expires_at));
        assert_eq!(found.registration.credential_id, expected.registration.credential_id);
    }
    store.save_account(account(1), created()).await.unwrap();
    for (which, _) in ways() {
        assert_eq!(unfinished(&store, which).await, []);
    }
    assert_eq!(unfinished(&store, Unfinished::Expired { now: LATER }).await, [account_id(2)]);
}

pub async fn a_creation_is_kept_once_for_each_registration(storage: &dyn Storage) {
    let store = storage.open().await;
    store.save_creation(creation(1)).await.unwrap();
    let again = Creation { account_id: account_id(7), asked_at: NOW + 5, ..creation(1) };
    store.save_creation(again).await.unwrap();
    assert_eq!(unfinished(&store, Unfinished::Of(creation(1).registration_id)).await, [account_id(7)]);
    assert_eq!(unfinished(&store, Unfinished::Named(account_id(1))).await, []);
}

pub async fn a_creation_is_forgotten_by_its_registration(storage: &dyn Storage) {
    let store = storage.open().await;
    store.save_creation(creation(1)).await.unwrap();
    store.save_creation(creation(2)).await.unwrap();
    for registration_id in [creation(1).registration_id, Uuid::from_u128(99)] {
        store.forget_creation(registration_id).await.unwrap();
    }
    assert_eq!(unfinished(&store, Unfinished::Expired { now: LATER }).await, [account_id(2)]);
}

pub async fn creations_are_found_when_their_registrations_expired_or_the_clock_was_ahead(storage: &dyn Storage) {
    let store = storage.open().await;
    store.save_creation(creation(1)).await.unwrap();
    store.save_creation(Creation { expires_at: NOW + 90_000, ..creation(2) }).await.unwrap();
    assert_eq!(unfinished(&store, Unfinished::Expired { now: NOW + 300 }).await, [account_id(2)]);
    assert_eq!(unfinished(&store, Unfinished::Expired { now: LATER }).await, [1, 2].map(account_id));
}

pub async fn a_limited_number_is_found_least_recently_tried_first(storage: &dyn Storage) {
    let store = storage.open().await;
    for number in 1..=UNFINISHED_AT_ONCE + 2 {
        let expires_at = NOW + 300 + u64::from(number);
        store.save_creation(Creation { expires_at, ..creation(number) }).await.unwrap();
    }
    let all_over = || Unfinished::Expired { now: NOW + 400 };
    assert_eq!(unfinished(&store, all_over()).await, [1, 2, 3, 4].map(account_id));
    for (tried_at, found) in store.unfinished_creations(&all_over()).await.unwrap().iter().take(3).enumerate() {
        store.creation_was_tried(found.row, NOW + 10 - tried_at as u64).await.unwrap();
    }
    assert_eq!(unfinished(&store, all_over()).await, [4, 5, 6, 3].map(account_id));
}

pub async fn creations_survive_a_restart(storage: &dyn Storage) {
    let store = storage.open().await;
    store.save_creation(creation(1)).await.unwrap();
    // Neither given up nor completed.
    store.save_creation(Creation { asked_at: NOW + 10_000, ..creation(2) }).await.unwrap();
    drop(store);
    let store = storage.open().await;
    assert_eq!(unfinished(&store, Unfinished::Expired { now: LATER }).await, [1, 2].map(account_id));
    // A completed one is deleted: its row is not found after its account is gone.
    store.save_account(account(1), created()).await.unwrap();
    store.save_creation(Creation { asked_at: NOW + 10_000, ..creation(3) }).await.unwrap();
    assert_eq!(unfinished(&store, Unfinished::Of(creation(2).registration_id)).await, [account_id(2)]);
}
