//! The chain of decisions. `crate::audit` tests that a changed row breaks it, with a database that
//! can be changed.

use std::sync::Arc;

use kms_gateway::store::{Action, AuditHead, AuditRecord, Claim, Decision};
use proto::command::Opcode;
use tokio::task::JoinSet;

use super::Storage;
use super::samples::{claim, decision, sponsored};
use crate::support::NOW;

/// The hash of [`sponsored`] as the first row.
const FIRST_HASH: &str = "0x14f89a7920a848083440d4157b7f01bdadec180aae18db9fe01d1a062c27c325";

pub async fn each_row_follows_from_the_one_before_it(storage: &dyn Storage) {
    let store = storage.open().await;
    assert_eq!(store.audit_head().await.unwrap(), AuditHead::default());
    let mut hashes = Vec::new();
    for rows in 1..=3 {
        store.append_audit(sponsored()).await.unwrap();
        let head = store.audit_head().await.unwrap();
        assert_eq!((head.rows, store.verify_audit_chain().await.unwrap()), (rows, head));
        hashes.push(head.hash);
    }
    hashes.dedup();
    assert_eq!(hashes.len(), 3, "the same decision has another hash at another position");
}

pub async fn the_same_decisions_have_the_same_hashes_everywhere(storage: &dyn Storage) {
    let store = storage.open().await;
    store.append_audit(sponsored()).await.unwrap();
    let first = store.audit_head().await.unwrap().hash;
    assert_eq!(first.to_string(), FIRST_HASH);
}

pub async fn decisions_recorded_concurrently_form_one_chain(storage: &dyn Storage) {
    let store = storage.open().await;
    let mut recorded = JoinSet::new();
    for left_out in 0..24 {
        let store = Arc::clone(&store);
        recorded.spawn(async move { store.append_audit(AuditRecord { left_out, ..sponsored() }).await.unwrap() });
    }
    recorded.join_all().await;
    assert_eq!(store.verify_audit_chain().await.unwrap().rows, 24);
}

pub async fn a_decision_and_its_nonce_are_recorded_together_or_neither_is(storage: &dyn Storage) {
    let store = storage.open().await;
    for (nonce, expected, rows) in [(1, Claim::Fresh, 1), (1, Claim::Replayed, 1), (2, Claim::Fresh, 2)] {
        assert_eq!(store.append_audit_with_nonce(sponsored(), claim(nonce, NOW)).await.unwrap(), expected);
        assert_eq!(store.verify_audit_chain().await.unwrap().rows, rows);
    }
    assert_eq!(store.claim_nonce(claim(2, NOW)).await.unwrap(), Claim::Replayed);
}

pub async fn the_admin_counter_follows_from_the_last_effect(storage: &dyn Storage) {
    let store = storage.open().await;
    assert_eq!(store.audited_admin_counter().await.unwrap(), 0);
    for (kind, counters, expected) in [
        (Decision::Allowed, Some((1, 1)), 1),
        (Decision::Refused, Some((2, 2)), 1),
        (Decision::Unknown, Some((2, 2)), 1),
        (Decision::Observed, Some((2, 4)), 4),
        (Decision::Allowed, None, 4),
        // The counter was found lower than before.
        (Decision::Observed, Some((4, 3)), 3),
    ] {
        store.append_audit(decision(Action::Command(Opcode::SetCeilings), kind, counters)).await.unwrap();
        assert_eq!(store.audited_admin_counter().await.unwrap(), expected, "{kind:?} {counters:?}");
    }
}

pub async fn the_chain_continues_after_a_restart(storage: &dyn Storage) {
    let store = storage.open().await;
    store.append_audit(sponsored()).await.unwrap();
    let head = store.audit_head().await.unwrap();
    drop(store);
    let store = storage.open().await;
    assert_eq!(store.audit_head().await.unwrap(), head);
    store.append_audit(sponsored()).await.unwrap();
    assert_eq!(store.verify_audit_chain().await.unwrap().rows, 2);
}
