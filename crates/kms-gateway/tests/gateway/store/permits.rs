//! Permissions to create accounts.

use std::sync::Arc;

use kms_gateway::store::{Permit, PermitRequest};
use tokio::task::JoinSet;

use super::Storage;
use super::samples::{invitation, invited, leave};
use crate::support::NOW;

pub async fn an_authoriser_creates_accounts_up_to_its_limit(storage: &dyn Storage) {
    let store = storage.open().await;
    let at = |number, now| PermitRequest { now, ..leave(number, "key:a", 2) };
    assert_eq!(store.permit(at(1, NOW)).await.unwrap(), Permit::Given);
    assert_eq!(store.permit(at(2, NOW + 600)).await.unwrap(), Permit::Given);
    assert_eq!(store.permit(at(3, NOW + 600)).await.unwrap(), Permit::Rationed { retry_after_seconds: 3000 });
    assert_eq!(store.permit(leave(3, "key:b", 2)).await.unwrap(), Permit::Given, "another authoriser's limit");
    assert_eq!(store.permit(at(4, NOW + 3600)).await.unwrap(), Permit::Given, "an hour after the first");
    assert_eq!(store.permit(at(5, NOW + 3600)).await.unwrap(), Permit::Rationed { retry_after_seconds: 600 });
}

pub async fn permission_for_one_credential_is_counted_once(storage: &dyn Storage) {
    let store = storage.open().await;
    assert_eq!(store.permit(invited(1)).await.unwrap(), Permit::Given);
    for _ in 0..3 {
        assert_eq!(store.permit(invited(1)).await.unwrap(), Permit::GivenBefore);
    }
    assert_eq!(store.permit(leave(1, "key:b", 0)).await.unwrap(), Permit::GivenBefore);
    assert_eq!(store.uses_of_invitation(&invitation()).await.unwrap(), 1);
}

pub async fn an_invitation_can_be_used_up_to_its_maximum(storage: &dyn Storage) {
    let store = storage.open().await;
    for (number, expected) in [(1, Permit::Given), (2, Permit::Given), (3, Permit::UsedUp), (2, Permit::GivenBefore)] {
        assert_eq!(store.permit(invited(number)).await.unwrap(), expected, "{number}");
    }
    assert_eq!(store.uses_of_invitation(&invitation()).await.unwrap(), 2);
    // Not by the clock alone, which may be briefly ahead.
    let years_later = PermitRequest { now: NOW + 100_000_000, ..invited(4) };
    assert_eq!(store.permit(years_later).await.unwrap(), Permit::UsedUp);
}

pub async fn concurrent_requests_share_a_limit_and_an_invitation(storage: &dyn Storage) {
    let store = storage.open().await;
    let mut contest = JoinSet::new();
    for number in 0..10 {
        for request in [leave(number, "key:a", 3), invited(number + 100)] {
            let store = Arc::clone(&store);
            contest.spawn(async move { store.permit(request).await.unwrap() });
        }
    }
    let outcomes = contest.join_all().await;
    let count = |wanted: fn(&Permit) -> bool| outcomes.iter().filter(|permit| wanted(permit)).count();
    assert_eq!(count(|permit| *permit == Permit::Given), 3 + 2);
    assert_eq!(count(|permit| matches!(permit, Permit::Rationed { .. })), 7);
    assert_eq!(count(|permit| *permit == Permit::UsedUp), 8);
}

pub async fn permissions_granted_while_the_clock_was_ahead_do_not_count_now(storage: &dyn Storage) {
    let store = storage.open().await;
    let ahead = NOW + 9 * 86_400;
    assert_eq!(store.permit(PermitRequest { now: ahead, ..leave(1, "key:a", 1) }).await.unwrap(), Permit::Given);
    assert_eq!(store.permit(leave(2, "key:a", 1)).await.unwrap(), Permit::Given);
    assert_eq!(store.permit(leave(3, "key:a", 1)).await.unwrap(), Permit::Rationed { retry_after_seconds: 3600 });
}

pub async fn uses_are_remembered_after_a_restart(storage: &dyn Storage) {
    let store = storage.open().await;
    store.permit(invited(1)).await.unwrap();
    store.permit(leave(2, "key:a", 1)).await.unwrap();
    drop(store);
    let store = storage.open().await;
    assert_eq!(store.uses_of_invitation(&invitation()).await.unwrap(), 1);
    assert_eq!(store.permit(invited(1)).await.unwrap(), Permit::GivenBefore);
    assert_eq!(store.permit(leave(3, "key:a", 1)).await.unwrap(), Permit::Rationed { retry_after_seconds: 3600 });
}
