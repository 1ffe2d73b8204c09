//! Reservations: for whom, and in which counters.

use std::sync::Arc;

use paymaster_relay::budget::{Bound, Excess, Scope};
use paymaster_relay::clients::{ApiKeyId, KeyHash};
use paymaster_relay::store::{
    KeyNoted, KeyUse, NewSponsorship, Principal, Record, Reserved, SponsorshipId, State, Store,
};
use proto::{Address, IntentHash};
use serde_json::json;
use tokio::task::JoinSet;

use super::Storage;
use super::samples::{
    CHAIN, COST, GWEI, NEVER, PLENTY, again, contracts, counted, deployment, deployment_of, found, gwei, key, keyed,
    limits, limits_but, on_chain, proven, read, release_expired, reserve, reserve_signed, reserved, signed,
    sponsorship,
};

pub async fn a_reservation_is_found_as_it_was_recorded(storage: &dyn Storage) {
    let store = storage.open().await;
    let new = keyed("order", sponsorship(1, proven(), None));
    assert_eq!(found(&store, &new).await, None);
    reserve(&*store, &new).await;
    let NewSponsorship { id, idempotency_key, policy_id, terms, .. } = new.clone();
    let record = Record { id, state: State::Reserved, idempotency_key, policy_id, terms, signed: None, signings: 1 };
    assert_eq!(found(&store, &new).await, Some(record.clone()));
    let after_its_window = store.find(&new.intent, &new.principal, NEVER).await.unwrap();
    assert_eq!(after_its_window, Some(record), "it may still be mined");
}

pub async fn a_principal_has_one_open_sponsorship_per_intent(storage: &dyn Storage) {
    let store = storage.open().await;
    let first = sponsorship(1, proven(), None);
    reserve(&*store, &first).await;
    let second = again(&first);
    assert_eq!(store.reserve(&second, &limits(&second, PLENTY)).await.unwrap(), Reserved::AlreadyRecorded);
    assert_eq!(found(&store, &first).await.map(|record| record.id), Some(first.id.clone()));
    assert_eq!(reserved(&store).await, COST);
    assert!(store.release(&first.id).await.unwrap());
    assert_eq!(found(&store, &first).await, None);
    reserve(&*store, &second).await;
    assert_eq!(found(&store, &first).await.map(|record| record.id), Some(second.id));
}

pub async fn no_principal_takes_the_intent_or_idempotency_key_of_another(storage: &dyn Storage) {
    let store = storage.open().await;
    let other_key = ApiKeyId::of_hash(&KeyHash([0xcd; 32]));
    let principals = [proven(), Principal::ApiKey(key()), Principal::ApiKey(other_key), Principal::Anonymous];
    for principal in &principals {
        let api_key = match principal {
            Principal::ApiKey(id) => Some(id.clone()),
            Principal::Account(_) | Principal::Anonymous => None,
        };
        let each = keyed("order-1", sponsorship(1, principal.clone(), api_key));
        reserve(&*store, &each).await;
        assert_eq!(found(&store, &each).await.map(|record| record.id), Some(each.id.clone()), "{principal}");
        let of_key = store.use_of_key(&each.key_space(), "order-1").await.unwrap();
        assert_eq!(of_key, Some(KeyUse { intent: each.intent, is_mined: false }), "{:?}", each.key_space());
    }
    assert_eq!(reserved(&store).await, 4 * COST);
}

pub async fn a_key_stands_for_one_intent_until_its_sponsorship_is_released(storage: &dyn Storage) {
    let store = storage.open().await;
    let [first, other] = [1, 2].map(|number| keyed("order", sponsorship(number, proven(), None)));
    reserve(&*store, &first).await;
    assert_eq!(store.reserve(&again(&first), &limits(&first, PLENTY)).await.unwrap(), Reserved::AlreadyRecorded);
    assert_eq!(store.reserve(&other, &limits(&other, PLENTY)).await.unwrap(), Reserved::KeyTaken { is_mined: false });
    assert_eq!(store.use_of_key(&first.key_space(), "another order").await.unwrap(), None);
    assert_eq!((found(&store, &other).await, reserved(&store).await), (None, COST));
    assert!(store.release(&first.id).await.unwrap());
    assert_eq!(store.use_of_key(&first.key_space(), "order").await.unwrap(), None);
    reserve(&*store, &other).await;
}

pub async fn a_key_is_told_to_be_mined_once_its_sponsorship_is(storage: &dyn Storage) {
    let store = storage.open().await;
    let [first, other] = [1, 2].map(|number| keyed("order", sponsorship(number, proven(), None)));
    reserve_signed(&*store, 1, &first).await;
    let mined = Some((signed(1).user_op_hash, 1));
    for young in [1, 0] {
        store.settle(&deployment(), &read(1, young, mined)).await.unwrap();
        let of_key = store.use_of_key(&first.key_space(), "order").await.unwrap();
        assert_eq!(of_key, Some(KeyUse { intent: first.intent, is_mined: true }), "{young}");
        assert_eq!(
            store.reserve(&other, &limits(&other, PLENTY)).await.unwrap(),
            Reserved::KeyTaken { is_mined: true }
        );
    }
}

pub async fn a_key_is_noted_where_there_is_none(storage: &dyn Storage) {
    let store = storage.open().await;
    let (unkeyed, other) = (sponsorship(1, proven(), None), keyed("order", sponsorship(2, proven(), None)));
    reserve(&*store, &unkeyed).await;
    for _ in 0..2 {
        assert_eq!(store.note_key(&unkeyed.id, "order").await.unwrap(), KeyNoted::Noted);
    }
    assert_eq!(store.note_key(&unkeyed.id, "another order").await.unwrap(), KeyNoted::HasAnother);
    let key = found(&store, &unkeyed).await.and_then(|record| record.idempotency_key);
    assert_eq!(key.as_deref(), Some("order"));
    assert_eq!(store.use_of_key(&unkeyed.key_space(), "another order").await.unwrap(), None);
    assert_eq!(store.reserve(&other, &limits(&other, PLENTY)).await.unwrap(), Reserved::KeyTaken { is_mined: false });
    assert!(store.release(&unkeyed.id).await.unwrap());
    assert_eq!(store.note_key(&unkeyed.id, "order").await.unwrap(), KeyNoted::Released);
    reserve(&*store, &other).await;
}

pub async fn a_key_of_another_intent_is_not_noted(storage: &dyn Storage) {
    let store = storage.open().await;
    let (unkeyed, other) = (sponsorship(1, proven(), None), keyed("order", sponsorship(2, proven(), None)));
    reserve(&*store, &unkeyed).await;
    reserve_signed(&*store, 2, &other).await;
    let elsewhere = NewSponsorship { deployment: on_chain(2), ..sponsorship(3, proven(), None) };
    reserve(&*store, &elsewhere).await;
    assert_eq!(store.note_key(&unkeyed.id, "order").await.unwrap(), KeyNoted::Taken { is_mined: false });
    store.settle(&deployment(), &read(1, 0, Some((signed(2).user_op_hash, 1)))).await.unwrap();
    assert_eq!(store.note_key(&unkeyed.id, "order").await.unwrap(), KeyNoted::Taken { is_mined: true });
    assert_eq!(found(&store, &unkeyed).await.and_then(|record| record.idempotency_key), None);
    assert_eq!(store.note_key(&elsewhere.id, "order").await.unwrap(), KeyNoted::Noted, "each chain has its own keys");
}

pub async fn a_key_that_a_settled_sponsorship_of_the_intent_has_needs_no_note(storage: &dyn Storage) {
    let store = storage.open().await;
    let first = keyed("order", sponsorship(1, proven(), None));
    reserve_signed(&*store, 1, &first).await;
    store.settle(&deployment(), &read(1, 0, Some((signed(1).user_op_hash, 1)))).await.unwrap();
    let once_more = NewSponsorship { idempotency_key: None, ..again(&first) };
    reserve(&*store, &once_more).await;
    assert_eq!(store.note_key(&once_more.id, "order").await.unwrap(), KeyNoted::Noted);
    let of_key = store.use_of_key(&first.key_space(), "order").await.unwrap();
    assert_eq!(of_key, Some(KeyUse { intent: first.intent, is_mined: true }));
}

pub async fn shared_principals_have_a_key_space_per_sender(storage: &dyn Storage) {
    let store = storage.open().await;
    let first = keyed("order", sponsorship(1, Principal::Anonymous, None));
    let other = keyed("order", sponsorship(2, Principal::Anonymous, None));
    let elsewhere = NewSponsorship { sender: Address([9; 20]), ..other.clone() };
    reserve(&*store, &first).await;
    assert_eq!(store.reserve(&other, &limits(&other, PLENTY)).await.unwrap(), Reserved::KeyTaken { is_mined: false });
    reserve(&*store, &elsewhere).await;
}

pub async fn a_key_stays_with_what_was_settled_when_its_intent_is_sponsored_once_more(storage: &dyn Storage) {
    let store = storage.open().await;
    let first = keyed("order", sponsorship(1, proven(), None));
    reserve_signed(&*store, 1, &first).await;
    store.settle(&deployment(), &read(1, 0, Some((signed(1).user_op_hash, 1)))).await.unwrap();
    let once_more = again(&first);
    reserve(&*store, &once_more).await;
    // As after a refusal by the KMS.
    assert!(store.release(&once_more.id).await.unwrap());
    let of_key = store.use_of_key(&first.key_space(), "order").await.unwrap();
    assert_eq!(of_key, Some(KeyUse { intent: first.intent, is_mined: true }));
    let other = keyed("order", sponsorship(2, proven(), None));
    assert_eq!(store.reserve(&other, &limits(&other, PLENTY)).await.unwrap(), Reserved::KeyTaken { is_mined: true });
}

pub async fn each_reservation_is_counted_where_it_belongs_and_no_longer_than_it_is_open(storage: &dyn Storage) {
    let store = storage.open().await;
    let [one, two, three, four] = [
        sponsorship(1, proven(), None),
        sponsorship(2, proven(), Some(key())),
        sponsorship(3, Principal::ApiKey(key()), Some(key())),
        sponsorship(4, Principal::Anonymous, None),
    ];
    for each in [&one, &two, &three, &four] {
        reserve(&*store, each).await;
    }
    let all = [
        vec![(Scope::Account, 2)],
        vec![(Scope::ApiKey, 2), (Scope::Account, 2)],
        vec![(Scope::ApiKey, 2), (Scope::Account, 1), (Scope::UnprovenCaller, 1), (Scope::Unproven, 2)],
        vec![(Scope::UnprovenCaller, 1), (Scope::UnprovenPublic, 1), (Scope::Unproven, 2)],
    ];
    let counters = async || {
        let mut counters = Vec::new();
        for each in [&one, &two, &three, &four] {
            counters.push(counted(&store, each).await);
        }
        counters
    };
    assert_eq!(counters().await, all);
    assert_eq!(reserved(&store).await, 4 * COST);

    assert!(store.record_signed(&two.id, &two.terms, &signed(2)).await.unwrap());
    assert!(store.record_signed(&four.id, &four.terms, &signed(4)).await.unwrap());
    assert_eq!(counters().await, all, "what is signed is still reserved");
    assert!(!store.release(&two.id).await.unwrap());
    assert!(store.release(&one.id).await.unwrap());
    let mined = read(1, 0, Some((signed(2).user_op_hash, 1)));
    assert_eq!(store.settle(&deployment(), &mined).await.unwrap().ours, 1);
    let left = [
        vec![(Scope::Account, 0)],
        vec![(Scope::ApiKey, 1), (Scope::Account, 0)],
        vec![(Scope::ApiKey, 1), (Scope::Account, 1), (Scope::UnprovenCaller, 1), (Scope::Unproven, 2)],
        vec![(Scope::UnprovenCaller, 1), (Scope::UnprovenPublic, 1), (Scope::Unproven, 2)],
    ];
    assert_eq!(counters().await, left);
    assert_eq!(release_expired(&*store, contracts(), NEVER).await, 2);
    assert!(counters().await.iter().flatten().all(|(_, open)| *open == 0));
    assert_eq!(reserved(&store).await, 0);
}

pub async fn a_reservation_is_counted_once_in_each_counter_that_its_limits_name(storage: &dyn Storage) {
    let store = storage.open().await;
    let [first, second, third] = [1, 2, 3].map(|number| sponsorship(number, proven(), None));
    // A counter that no current relay uses, named by two limits, and one more of another subject.
    let named = |new: &NewSponsorship, most| {
        let mut limits = limits_but(new, json!({ "max_per_account": most }), PLENTY);
        limits[0].counter.subject = "callers on a Tuesday".to_owned();
        let mut others = limits[0].clone();
        others.counter.subject = format!("only {:?}", new.intent);
        [limits[0].clone(), limits[0].clone(), others].into_iter().chain(limits.into_iter().skip(1)).collect::<Vec<_>>()
    };
    for new in [&first, &second] {
        assert_eq!(store.reserve(new, &named(new, 2)).await.unwrap(), Reserved::Recorded);
    }
    let over = store.reserve(&third, &named(&third, 2)).await.unwrap();
    let limit = Bound::Open { limit: 2, used: Some(2) };
    let rule = "reservations.max_per_account";
    assert_eq!(over, Reserved::OverLimit(Excess::Cap { scope: Scope::Account, rule, limit }));
    assert_eq!((counted(&store, &first).await, reserved(&store).await), (vec![(Scope::Account, 0)], 2 * COST));
    assert!(store.release(&first.id).await.unwrap());
    assert_eq!(store.reserve(&third, &named(&third, 2)).await.unwrap(), Reserved::Recorded);
}

pub async fn the_first_limit_that_does_not_hold_is_told(storage: &dyn Storage) {
    let store = storage.open().await;
    let server = || sponsorship(1, Principal::ApiKey(key()), Some(key()));
    reserve(&*store, &server()).await;
    let next = NewSponsorship { intent: IntentHash([2; 32]), ..server() };
    let settings = json!({ "max_per_api_key": 1, "max_unproven": 1 });
    for from in [0, 1] {
        let limits = limits_but(&next, settings.clone(), 0);
        let scope = [Scope::ApiKey, Scope::Unproven][from];
        let outcome = store.reserve(&next, &limits[from..]).await.unwrap();
        assert!(
            matches!(outcome, Reserved::OverLimit(Excess::Cap { scope: told, .. }) if told == scope),
            "{outcome:?}"
        );
    }
}

pub async fn a_refused_request_leaves_no_trace(storage: &dyn Storage) {
    let store = storage.open().await;
    let (first, second) = (sponsorship(1, proven(), None), keyed("order", sponsorship(2, proven(), None)));
    reserve(&*store, &first).await;
    let outcome = store.reserve(&second, &limits(&second, 2 * COST - GWEI)).await.unwrap();
    assert_eq!(outcome, Reserved::OverLimit(Excess::Deposit { reserved: gwei(COST) }));
    assert_eq!(found(&store, &second).await, None);
    assert_eq!(store.use_of_key(&second.key_space(), "order").await.unwrap(), None);
    assert_eq!((counted(&store, &first).await, reserved(&store).await), (vec![(Scope::Account, 1)], COST));
    let elsewhere = NewSponsorship { deployment: deployment_of(8), ..second.clone() };
    store.reserve(&elsewhere, &limits(&elsewhere, 0)).await.unwrap();
    assert_eq!(store.next_block(&deployment_of(8)).await.unwrap(), None, "there is nothing to settle");
    assert_eq!(store.reserve(&second, &limits(&second, 2 * COST)).await.unwrap(), Reserved::Recorded);
}

pub async fn reservations_at_once_never_exceed_the_deposit(storage: &dyn Storage) {
    let store = storage.open().await;
    let mut contest = JoinSet::new();
    for number in 0..24 {
        let store = Arc::clone(&store);
        contest.spawn(async move {
            let new = sponsorship(number, proven(), None);
            store.reserve(&new, &limits(&new, 8 * COST)).await.unwrap()
        });
    }
    let outcomes = contest.join_all().await;
    let recorded = outcomes.iter().filter(|outcome| **outcome == Reserved::Recorded).count();
    assert_eq!((recorded, reserved(&store).await), (8, 8 * COST), "{outcomes:?}");
}

pub async fn one_of_equal_concurrent_requests_is_recorded(storage: &dyn Storage) {
    let store = storage.open().await;
    let mut contest = JoinSet::new();
    for _ in 0..16 {
        let store = Arc::clone(&store);
        contest.spawn(async move {
            let request = keyed("order", sponsorship(1, proven(), None));
            store.reserve(&request, &limits(&request, PLENTY)).await.unwrap()
        });
    }
    let outcomes = contest.join_all().await;
    let count = |wanted: Reserved| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    assert_eq!((count(Reserved::Recorded), count(Reserved::AlreadyRecorded)), (1, 15));
    assert_eq!(reserved(&store).await, COST);
}

pub async fn nothing_is_recorded_to_see_what_would_be(storage: &dyn Storage) {
    let store = storage.open().await;
    let (new, other) = (keyed("order", sponsorship(1, proven(), None)), keyed("order", sponsorship(2, proven(), None)));
    for _ in 0..2 {
        assert_eq!(store.would_reserve(&new, &limits(&new, COST)).await.unwrap(), Reserved::Recorded);
    }
    assert_eq!((found(&store, &new).await, reserved(&store).await), (None, 0));
    assert_eq!(store.next_blocks(CHAIN).await.unwrap(), []);
    reserve(&*store, &new).await;
    assert_eq!(store.would_reserve(&again(&new), &limits(&new, PLENTY)).await.unwrap(), Reserved::AlreadyRecorded);
    assert_eq!(
        store.would_reserve(&other, &limits(&other, PLENTY)).await.unwrap(),
        Reserved::KeyTaken { is_mined: false }
    );
    let unkeyed = sponsorship(2, proven(), None);
    let over = Reserved::OverLimit(Excess::Deposit { reserved: gwei(COST) });
    assert_eq!(store.would_reserve(&unkeyed, &limits(&unkeyed, COST)).await.unwrap(), over);
    assert_eq!(reserved(&store).await, COST);
}

pub async fn a_value_that_cannot_be_recorded_fails_alone(storage: &dyn Storage) {
    let store = storage.open().await;
    let mut beyond = sponsorship(1, proven(), None);
    beyond.terms.valid_until = u64::MAX;
    let good: Vec<_> = (2..10).map(|number| sponsorship(number, proven(), None)).collect();
    let limits = limits(&beyond, PLENTY);
    let all = futures_util::future::join_all(good.iter().map(|each| store.reserve(each, &limits)));
    let (bad, outcomes) = tokio::join!(store.reserve(&beyond, &limits), all);
    assert!(bad.is_err(), "{bad:?}");
    for outcome in outcomes {
        assert_eq!(outcome.unwrap(), Reserved::Recorded);
    }
    assert_eq!((found(&store, &beyond).await, reserved(&store).await), (None, 8 * COST));
}

pub async fn reservations_of_one_deployment_are_none_of_another(storage: &dyn Storage) {
    let store = storage.open().await;
    reserve(&*store, &sponsorship(1, proven(), Some(key()))).await;
    let elsewhere = NewSponsorship { deployment: deployment_of(8), ..sponsorship(2, proven(), Some(key())) };
    assert_eq!(counted(&store, &elsewhere).await, [(Scope::ApiKey, 0), (Scope::Account, 0)]);
    assert_eq!(store.reserve(&elsewhere, &limits(&elsewhere, COST)).await.unwrap(), Reserved::Recorded);
    assert_eq!(store.reserved(&deployment_of(8)).await.unwrap(), gwei(COST));
    assert_eq!(reserved(&store).await, COST);
}

pub async fn the_same_contracts_on_another_chain_are_another_deployment(storage: &dyn Storage) {
    let store = storage.open().await;
    reserve(&*store, &sponsorship(1, proven(), Some(key()))).await;
    let elsewhere = NewSponsorship { deployment: on_chain(2), ..sponsorship(2, proven(), Some(key())) };
    assert_eq!(counted(&store, &elsewhere).await, [(Scope::ApiKey, 0), (Scope::Account, 0)]);
    assert_eq!(store.reserve(&elsewhere, &limits(&elsewhere, COST)).await.unwrap(), Reserved::Recorded);
    assert_eq!(store.reserved(&on_chain(2)).await.unwrap(), gwei(COST));
    assert!(store.release(&elsewhere.id).await.unwrap());
    assert_eq!((store.reserved(&on_chain(2)).await.unwrap(), reserved(&store).await), (gwei(0), COST));
}

pub async fn an_idempotency_key_stands_for_one_intent_on_each_chain(storage: &dyn Storage) {
    let store = storage.open().await;
    let first = keyed("order", sponsorship(1, proven(), None));
    let second = NewSponsorship { deployment: on_chain(2), ..keyed("order", sponsorship(2, proven(), None)) };
    for new in [&first, &second] {
        reserve(&*store, new).await;
        let of_key = store.use_of_key(&new.key_space(), "order").await.unwrap();
        assert_eq!(of_key.map(|of_key| of_key.intent), Some(new.intent));
    }
    let third = NewSponsorship { deployment: on_chain(2), ..keyed("order", sponsorship(3, proven(), None)) };
    assert_eq!(store.reserve(&third, &limits(&third, PLENTY)).await.unwrap(), Reserved::KeyTaken { is_mined: false });
}

pub async fn an_answer_survives_a_restart(storage: &dyn Storage) {
    let store = storage.open().await;
    let (first, second) = (keyed("order", sponsorship(1, proven(), None)), sponsorship(2, proven(), None));
    reserve_signed(&*store, 1, &first).await;
    reserve(&*store, &second).await;
    let record = found(&store, &first).await;
    drop(store);
    let store: Arc<dyn Store> = storage.open().await;
    assert_eq!(found(&store, &first).await, record);
    assert_eq!((counted(&store, &second).await, reserved(&store).await), (vec![(Scope::Account, 2)], 2 * COST));
    let twice = NewSponsorship { id: SponsorshipId::new(), ..second };
    assert_eq!(store.reserve(&twice, &limits(&twice, PLENTY)).await.unwrap(), Reserved::AlreadyRecorded);
}
