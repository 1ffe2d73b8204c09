//! The signings of a sponsorship: their number, terms and results.

use std::sync::Arc;

use paymaster_relay::store::{Record, Signed, SponsorshipId, State};
use proto::Terms;
use tokio::task::JoinSet;

use super::Storage;
use super::samples::{COST, found, proven, reserve, reserve_signed, reserved, signed, sponsorship};

pub async fn signings_begin_as_often_as_allowed_and_no_more(storage: &dyn Storage) {
    let store = storage.open().await;
    let new = sponsorship(1, proven(), None);
    // The reservation itself counts as the first.
    reserve(&*store, &new).await;
    for expected in [true, true, false] {
        assert_eq!(store.begin_signing(&new.id, 3).await.unwrap(), expected);
    }
    let later = Terms { valid_until: 1000, ..new.terms };
    assert!(!store.renew(&new.id, &later, 3).await.unwrap());
    assert_eq!(found(&store, &new).await.map(|record| record.signings), Some(3));
    assert!(store.begin_signing(&new.id, 4).await.unwrap());
}

pub async fn signings_that_begin_at_once_are_counted(storage: &dyn Storage) {
    let store = storage.open().await;
    let new = sponsorship(1, proven(), None);
    reserve(&*store, &new).await;
    let mut contest = JoinSet::new();
    for _ in 0..12 {
        let (store, id) = (Arc::clone(&store), new.id.clone());
        contest.spawn(async move { store.begin_signing(&id, 5).await.unwrap() });
    }
    assert_eq!(contest.join_all().await.into_iter().filter(|began| *began).count(), 4);
}

pub async fn a_signed_sponsorship_is_found_with_its_terms(storage: &dyn Storage) {
    let store = storage.open().await;
    let new = sponsorship(1, proven(), None);
    reserve_signed(&*store, 1, &new).await;
    let expected = Record {
        id: new.id.clone(),
        state: State::Signed,
        idempotency_key: None,
        policy_id: "default".to_owned(),
        terms: new.terms,
        signed: Some(signed(1)),
        signings: 1,
    };
    assert_eq!(found(&store, &new).await, Some(expected.clone()));
    let other = Signed { account_signature: None, timestamp: 2, ..signed(2) };
    assert!(store.record_signed(&new.id, &new.terms, &other).await.unwrap());
    assert_eq!(found(&store, &new).await, Some(Record { signed: Some(other), ..expected }));
}

pub async fn a_renewed_sponsorship_has_another_window_and_no_answer(storage: &dyn Storage) {
    let store = storage.open().await;
    let new = sponsorship(1, proven(), None);
    reserve_signed(&*store, 1, &new).await;
    let later = Terms { valid_after: 50, valid_until: 1000, ..new.terms };
    assert!(store.renew(&new.id, &later, 2).await.unwrap());
    let record = found(&store, &new).await.unwrap();
    assert_eq!((record.terms, record.signed, record.signings), (later, None, 2));
    assert_eq!(reserved(&store).await, COST, "it is charged once");
    assert!(!store.renew(&new.id, &later, 9).await.unwrap(), "a window that ends no later is not a renewal");
    assert_eq!(found(&store, &new).await.map(|record| record.signings), Some(2));
}

pub async fn signatures_on_other_terms_are_not_recorded(storage: &dyn Storage) {
    let store = storage.open().await;
    let new = sponsorship(1, proven(), None);
    reserve(&*store, &new).await;
    let later = Terms { valid_until: 1000, ..new.terms };
    assert!(store.renew(&new.id, &later, 9).await.unwrap());
    assert!(!store.record_signed(&new.id, &new.terms, &signed(1)).await.unwrap());
    assert_eq!(found(&store, &new).await.map(|record| (record.state, record.signed)), Some((State::Reserved, None)));
    assert!(store.record_signed(&new.id, &later, &signed(2)).await.unwrap());
    assert_eq!(found(&store, &new).await.and_then(|record| record.signed), Some(signed(2)));
}

pub async fn a_signing_without_an_answer_keeps_the_reservation(storage: &dyn Storage) {
    let store = storage.open().await;
    let new = sponsorship(1, proven(), None);
    reserve(&*store, &new).await;
    assert!(store.begin_signing(&new.id, 9).await.unwrap());
    assert!(!store.release(&new.id).await.unwrap(), "the other signing may still be answered");
    assert_eq!((found(&store, &new).await.map(|record| record.signings), reserved(&store).await), (Some(1), COST));
    assert!(store.release(&new.id).await.unwrap());
    assert_eq!((found(&store, &new).await, reserved(&store).await), (None, 0));
}

pub async fn a_missing_sponsorship_is_neither_signed_nor_renewed_nor_released(storage: &dyn Storage) {
    let store = storage.open().await;
    let gone = sponsorship(1, proven(), None);
    reserve(&*store, &gone).await;
    assert!(store.release(&gone.id).await.unwrap());
    let later = Terms { valid_until: 1000, ..gone.terms };
    for id in [gone.id, SponsorshipId::new()] {
        assert!(!store.begin_signing(&id, 9).await.unwrap());
        assert!(!store.renew(&id, &later, 9).await.unwrap());
        assert!(!store.record_signed(&id, &gone.terms, &signed(1)).await.unwrap());
        assert!(!store.release(&id).await.unwrap());
    }
    assert_eq!(reserved(&store).await, 0);
}
