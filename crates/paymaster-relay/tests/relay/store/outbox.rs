//! Events for webhooks.

use paymaster_relay::store::{NewSponsorship, Outcome, Store};
use proto::Wei;

use super::Storage;
use super::samples::{
    GWEI, NEVER, contracts, deployment, proven, read, release_expired, reserve, reserve_signed, signed, sponsorship,
};

fn sample(number: u8) -> NewSponsorship {
    NewSponsorship { webhook: Some("crm".to_owned()), ..sponsorship(number, proven(), None) }
}

async fn due(store: &dyn Store, now: u64) -> Vec<(String, Outcome)> {
    let events = store.due_events("crm", now, 100).await.unwrap();
    let mut due: Vec<_> = events.into_iter().map(|event| (event.id.to_string(), event.outcome)).collect();
    due.sort_by_key(|(id, outcome)| (id.clone(), outcome.as_str()));
    due
}

pub async fn each_end_of_a_sponsorship_with_a_webhook_is_one_event(storage: &dyn Storage) {
    let store = storage.open().await;
    let samples = [1, 2, 3].map(sample);
    for (number, sample) in (1..).zip(&samples) {
        reserve_signed(&*store, number, sample).await;
    }
    reserve(&*store, &sponsorship(4, proven(), None)).await;
    assert_eq!(due(&*store, NEVER).await, []);

    let mined = read(2, 0, Some((signed(1).user_op_hash, 2)));
    for _ in 0..2 {
        store.settle(&deployment(), &mined).await.unwrap();
    }
    assert!(store.settle_unknown(&samples[1].id, NEVER, 2, Wei(GWEI)).await.unwrap());
    assert_eq!(release_expired(&*store, contracts(), NEVER).await, 2);
    let store = storage.open().await;
    let mut expected: Vec<_> = samples
        .iter()
        .map(|sample| sample.id.to_string())
        .zip([Outcome::Settled, Outcome::Unknown, Outcome::Released])
        .collect();
    expected.sort_by_key(|(id, _)| id.clone());
    assert_eq!(due(&*store, 0).await, expected);
    assert_eq!(store.due_events("erp", NEVER, 100).await.unwrap(), []);

    // One that was released, and is mined after all.
    let late = read(3, 0, Some((signed(3).user_op_hash, 3)));
    store.settle(&deployment(), &late).await.unwrap();
    let of_third = due(&*store, 0).await.into_iter().filter(|(id, _)| *id == samples[2].id.to_string());
    assert_eq!(of_third.map(|(_, outcome)| outcome).collect::<Vec<_>>(), [Outcome::Released, Outcome::Settled]);
}

pub async fn an_event_is_due_until_it_is_forgotten_or_too_old(storage: &dyn Storage) {
    let store = storage.open().await;
    let samples = [1, 2].map(sample);
    for sample in &samples {
        reserve(&*store, sample).await;
    }
    assert_eq!(release_expired(&*store, contracts(), NEVER).await, 2);
    assert_eq!(store.drop_events("crm", NEVER).await.unwrap(), 0, "its delivery has not begun");
    assert_eq!(store.waiting_events("crm").await.unwrap(), (2, None));
    assert_eq!((store.due_events("crm", 50, 1).await.unwrap().len(), due(&*store, 60).await.len()), (1, 2));
    assert_eq!(store.waiting_events("crm").await.unwrap(), (2, Some(50)));

    let id = &samples[0].id;
    store.postpone_event(id, Outcome::Released, 70).await.unwrap();
    assert_eq!((due(&*store, 69).await.len(), due(&*store, 70).await.len()), (1, 2));
    let events = store.due_events("crm", 70, 100).await.unwrap();
    let attempts = |sample: &NewSponsorship| events.iter().find(|event| event.id == sample.id).unwrap().attempts;
    assert_eq!([attempts(&samples[0]), attempts(&samples[1])], [1, 0]);

    store
        .forget_events(vec![(id.clone(), Outcome::Settled), (samples[1].id.clone(), Outcome::Released)])
        .await
        .unwrap();
    assert_eq!(due(&*store, 70).await, [(id.to_string(), Outcome::Released)]);
    assert_eq!([store.drop_events("crm", 50).await.unwrap(), store.drop_events("crm", 51).await.unwrap()], [0, 1]);
    assert_eq!(store.waiting_events("crm").await.unwrap(), (0, None));
}

pub async fn of_a_reservation_that_no_webhook_approved_none_is_told(storage: &dyn Storage) {
    let store = storage.open().await;
    let (denied, approved) = (sample(1), sample(2));
    reserve(&*store, &denied).await;
    reserve_signed(&*store, 2, &approved).await;
    for sample in [&denied, &approved] {
        store.tell_nobody(&sample.id).await.unwrap();
    }
    assert_eq!(release_expired(&*store, contracts(), NEVER).await, 2);
    assert_eq!(due(&*store, 0).await, [(approved.id.to_string(), Outcome::Released)], "something was signed for it");
}
