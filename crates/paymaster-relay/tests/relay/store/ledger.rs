//! The ledger: entries, totals, deletion of old rows, and what is compared with the chain.

use std::sync::Arc;

use futures_util::future::join_all;
use paymaster_relay::store::{
    BlocksRead, Booking, Contracts, Entry, EntryState, KeyNoted, LedgerQuery, NewSponsorship, Operation, Outcomes,
    Principal, Reconciled, Reserved, Settlement, SponsorshipId, Store, UsageBy, UsageQuery, UsageRow,
};
use proto::{Address, Hash, IntentHash, Terms, Uint256, UserOpHash, Wei};

use super::Storage;
use super::samples::{
    CHAIN, COST, GWEI, NEVER, PLENTY, again, contracts, deployment, deployment_of, found, key, keyed, limits, on_chain,
    proven, read, release_expired, reserve, reserve_signed, reserved, settlement, signed, sponsorship,
};

/// A cost that is no whole number of gwei.
const PAID: u128 = 3 * GWEI - 41;
/// Seconds of the month whose first day is 2026-11-01.
const NOVEMBER: u64 = 1_793_491_200;
const DAY: u64 = 24 * 60 * 60;

async fn entries(store: &Arc<dyn Store>, query: LedgerQuery) -> Vec<Entry> {
    let (mut query, mut entries) = (query, Vec::new());
    loop {
        let page = store.page(&query).await.unwrap();
        entries.extend(page.entries);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return entries,
        }
    }
}

async fn states(store: &Arc<dyn Store>) -> Vec<EntryState> {
    entries(store, LedgerQuery::default()).await.into_iter().map(|entry| entry.state).collect()
}

async fn usage(store: &Arc<dyn Store>, by: UsageBy) -> Vec<UsageRow> {
    store.usage(&UsageQuery { by, from: None, to: None, skip: 0 }).await.unwrap()
}

/// Counts of settled, succeeded, reverted, released; and cost.
async fn totals(store: &Arc<dyn Store>) -> (u64, u64, u64, u64, u128) {
    let rows = usage(store, UsageBy::Chain).await;
    assert!(rows.len() <= 1, "{rows:?}");
    let Some(row) = rows.first() else { return (0, 0, 0, 0, 0) };
    (row.settled, row.succeeded, row.reverted, row.released, row.cost.0)
}

fn mined(latest: u64, young: u64, ops: &[(u8, Settlement)]) -> BlocksRead {
    let mined = ops.iter().map(|(number, settlement)| (signed(*number).user_op_hash, *settlement)).collect();
    BlocksRead { mined, ..read(latest, young, None) }
}

pub async fn a_mined_operation_is_booked_to_the_wei(storage: &dyn Storage) {
    let store = storage.open().await;
    let new = NewSponsorship { created_at: NOVEMBER, ..sponsorship(1, proven(), Some(key())) };
    reserve_signed(&*store, 1, &new).await;
    for (young, state) in [(2, EntryState::Mined), (0, EntryState::Settled)] {
        store.settle(&deployment(), &mined(5, young, &[(1, settlement(5, PAID))])).await.unwrap();
        let expected = Entry {
            id: new.id.to_string(),
            requested_at: NOVEMBER,
            state,
            chain_id: CHAIN,
            entry_point: Address([1; 20]),
            paymaster: Address([2; 20]),
            account_id: "alice".to_owned(),
            sender: Address([3; 20]),
            policy: "default".to_owned(),
            api_key: Some(key().to_string()),
            valid_until: 101,
            worst_case: Wei(COST),
            cost: Some(Wei(PAID)),
            gas_used: Some(50_000),
            succeeded: Some(true),
            block: Some(5),
            transaction: Some(Hash([0x77; 32])),
            user_op_hash: Some(signed(1).user_op_hash),
        };
        assert_eq!(entries(&store, LedgerQuery::default()).await, [expected]);
    }
    let november = UsageRow {
        month: "2026-11".to_owned(),
        chain_id: CHAIN,
        subject: key().to_string(),
        settled: 1,
        succeeded: 1,
        reverted: 0,
        released: 0,
        worst_case: Wei(COST),
        cost: Wei(PAID),
        gas_used: 50_000,
    };
    assert_eq!(usage(&store, UsageBy::ApiKey).await, std::slice::from_ref(&november));
    let of_policy = UsageRow { subject: "default".to_owned(), ..november.clone() };
    assert_eq!(usage(&store, UsageBy::Policy).await, [of_policy]);
    let of_month = UsageRow { subject: String::new(), ..november };
    assert_eq!(usage(&store, UsageBy::Month).await, std::slice::from_ref(&of_month));
    assert_eq!(usage(&store, UsageBy::Chain).await, [UsageRow { month: String::new(), ..of_month }]);
    for (from, to, count) in
        [(Some("2026-11"), None, 1), (Some("2026-12"), None, 0), (None, Some("2026-10"), 0), (None, Some("2026-11"), 1)]
    {
        let query =
            UsageQuery { by: UsageBy::Month, from: from.map(str::to_owned), to: to.map(str::to_owned), skip: 0 };
        assert_eq!(store.usage(&query).await.unwrap().len(), count, "{from:?} {to:?}");
    }
    let after_it = UsageQuery { by: UsageBy::Month, from: None, to: None, skip: 1 };
    assert_eq!(store.usage(&after_it).await.unwrap(), []);
}

pub async fn each_state_is_told_and_asked_for(storage: &dyn Storage) {
    let store = storage.open().await;
    let samples: Vec<_> = (1..=6)
        .map(|number| NewSponsorship {
            created_at: u64::from(number),
            policy_id: format!("policy-{number}"),
            sender: Address([number; 20]),
            ..sponsorship(number, proven(), None)
        })
        .collect();
    reserve(&*store, &samples[0]).await;
    for (number, sample) in (1..).zip(&samples).skip(1) {
        reserve_signed(&*store, number, sample).await;
    }
    store.settle(&deployment(), &mined(5, 2, &[(3, settlement(5, PAID)), (4, settlement(2, PAID))])).await.unwrap();
    assert!(store.settle_unknown(&samples[5].id, NEVER, 3, Wei(PAID)).await.unwrap());
    assert_eq!(store.release_expired(vec![samples[4].id.clone()], NEVER).await.unwrap(), 1);
    let expected = [
        EntryState::Reserved,
        EntryState::Signed,
        EntryState::Mined,
        EntryState::Settled,
        EntryState::Released,
        EntryState::Unknown,
    ];
    assert_eq!(states(&store).await, expected);
    for (state, sample) in expected.into_iter().zip(&samples) {
        assert_eq!(state.as_str().parse(), Ok(state));
        let of = |query: LedgerQuery| entries(&store, query);
        let none = LedgerQuery::default;
        for query in [
            LedgerQuery { state: Some(state), ..none() },
            LedgerQuery { policy: Some(sample.policy_id.clone()), ..none() },
            LedgerQuery { sender: Some(sample.sender), ..none() },
            LedgerQuery { from: Some(sample.created_at), to: Some(sample.created_at + 1), ..none() },
        ] {
            let found: Vec<_> = of(query.clone()).await.into_iter().map(|entry| entry.id).collect();
            assert_eq!(found, [sample.id.to_string()], "{query:?}");
        }
    }
    for query in [
        LedgerQuery { chain_id: Some(2), ..LedgerQuery::default() },
        LedgerQuery { api_key: Some(key().to_string()), ..LedgerQuery::default() },
    ] {
        assert_eq!(entries(&store, query).await, []);
    }
    assert_eq!(totals(&store).await, (2, 1, 0, 1, 2 * PAID));
}

/// More than one page, over two chains.
pub async fn pages_continue_where_they_ended(storage: &dyn Storage) {
    let store = storage.open().await;
    let new = |number: u16| {
        let mut intent = [0; 32];
        intent[..2].copy_from_slice(&number.to_be_bytes());
        let deployment = if number.is_multiple_of(3) { on_chain(2) } else { deployment() };
        // Many in each second.
        let created_at = u64::from(number / 100);
        NewSponsorship { intent: IntentHash(intent), deployment, created_at, ..sponsorship(1, proven(), None) }
    };
    let all: Vec<_> = (0..1700).map(new).collect();
    join_all(all.iter().map(|new| reserve(&*store, new))).await;
    let first = store.page(&LedgerQuery::default()).await.unwrap();
    assert!(first.entries.len() == 1000 && first.next.is_some());
    let told = entries(&store, LedgerQuery::default()).await;
    assert!(told.is_sorted_by_key(|entry| (entry.chain_id, entry.requested_at)));
    let mut told: Vec<_> = told.into_iter().map(|entry| entry.id).collect();
    let mut expected: Vec<_> = all.iter().map(|new| new.id.to_string()).collect();
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
    let some = LedgerQuery { chain_id: Some(CHAIN), from: Some(16), ..LedgerQuery::default() };
    assert_eq!(entries(&store, some).await.len(), 67);
    // A page without a match names the next one too.
    let none = LedgerQuery { state: Some(EntryState::Settled), ..LedgerQuery::default() };
    let page = store.page(&none).await.unwrap();
    assert!(page.entries.is_empty() && page.next.is_some());
    assert_eq!(entries(&store, none).await, []);
}

pub async fn an_operation_sponsored_for_several_is_paid_for_once(storage: &dyn Storage) {
    let store = storage.open().await;
    let of_one = sponsorship(1, proven(), None);
    let of_other = NewSponsorship { id: SponsorshipId::new(), principal: Principal::Anonymous, ..of_one.clone() };
    for each in [&of_one, &of_other] {
        reserve_signed(&*store, 1, each).await;
    }
    for _ in 0..2 {
        store.settle(&deployment(), &mined(5, 0, &[(1, settlement(5, PAID))])).await.unwrap();
        let costs: Vec<_> = entries(&store, LedgerQuery::default()).await.into_iter().map(|entry| entry.cost).collect();
        assert_eq!(costs, [Some(Wei(PAID)), Some(Wei(0))]);
        assert_eq!(totals(&store).await, (2, 2, 0, 0, PAID));
    }
    assert_eq!(store.booked_between(contracts(), 0, 5).await.unwrap(), Wei(PAID));
}

pub async fn totals_follow_what_is_settled_again(storage: &dyn Storage) {
    let store = storage.open().await;
    let (first, second) = (sponsorship(1, proven(), None), sponsorship(2, proven(), None));
    for (number, new) in [(1, &first), (2, &second)] {
        reserve_signed(&*store, number, new).await;
    }
    assert_eq!(totals(&store).await, (0, 0, 0, 0, 0), "open ones are not counted");
    let reverted = Settlement { succeeded: false, ..settlement(4, PAID) };
    store.settle(&deployment(), &mined(5, 5, &[(1, reverted)])).await.unwrap();
    assert_eq!(totals(&store).await, (0, 0, 0, 0, 0), "its block is not final");
    store.settle(&deployment(), &mined(9, 5, &[(1, reverted)])).await.unwrap();
    assert_eq!(totals(&store).await, (1, 0, 1, 0, PAID));
    assert_eq!(release_expired(&*store, contracts(), NEVER).await, 1);
    assert_eq!(totals(&store).await, (1, 0, 1, 1, PAID));
    // A reorganisation deeper than what is final; and the released one was mined after all.
    let again = [(1, settlement(6, PAID + 5)), (2, settlement(6, 7))];
    for (latest, young, expected) in
        [(12, 12, (1, 1, 0, 1, PAID + 5)), (12, 0, (2, 2, 0, 0, PAID + 12)), (12, 0, (2, 2, 0, 0, PAID + 12))]
    {
        store.settle(&deployment(), &mined(latest, young, &again)).await.unwrap();
        assert_eq!(totals(&store).await, expected);
    }
}

pub async fn of_operations_with_one_nonce_that_no_log_shows_one_has_a_cost(storage: &dyn Storage) {
    let store = storage.open().await;
    let (first, second) = (sponsorship(1, proven(), None), sponsorship(2, proven(), None));
    for new in [&first, &second] {
        reserve(&*store, new).await;
        assert!(store.settle_unknown(&new.id, NEVER, 3, Wei(PAID)).await.unwrap());
    }
    let costs: Vec<_> = entries(&store, LedgerQuery::default()).await.into_iter().map(|entry| entry.cost).collect();
    assert_eq!(costs, [Some(Wei(PAID)), Some(Wei(0))]);
    assert_eq!(totals(&store).await, (2, 0, 0, 0, PAID));
    let operation = Operation { hash: UserOpHash([9; 32]), sender: first.sender, nonce: first.account_nonce };
    let booked = Booking { block: Some(3), cost: Wei(PAID) };
    assert_eq!(store.booking(contracts(), &operation).await.unwrap(), Some(booked));
    let mut elsewhere = [operation; 2];
    (elsewhere[0].sender, elsewhere[1].nonce) = (Address([9; 20]), Uint256([9; 32]));
    for operation in elsewhere {
        assert_eq!(store.booking(contracts(), &operation).await.unwrap(), None);
    }
    let others = Contracts::from(&deployment_of(8));
    assert_eq!(store.booking(others, &operation).await.unwrap(), None);
}

pub async fn bookings_are_found_by_every_hash_that_was_signed(storage: &dyn Storage) {
    let store = storage.open().await;
    let new = sponsorship(1, proven(), None);
    reserve_signed(&*store, 1, &new).await;
    let later = Terms { valid_until: 1000, ..new.terms };
    assert!(store.renew(&new.id, &later, 9).await.unwrap());
    assert!(store.record_signed(&new.id, &later, &signed(2)).await.unwrap());
    let booking = async |number| {
        let hash = signed(number).user_op_hash;
        let operation = Operation { hash, sender: Address([9; 20]), nonce: Uint256::default() };
        store.booking(contracts(), &operation).await.unwrap()
    };
    for number in [1, 2] {
        assert_eq!(booking(number).await, Some(Booking { block: None, cost: Wei(0) }));
    }
    store.settle(&deployment(), &mined(7, 0, &[(1, settlement(6, PAID))])).await.unwrap();
    for number in [1, 2] {
        assert_eq!(booking(number).await, Some(Booking { block: Some(6), cost: Wei(PAID) }));
    }
    assert_eq!(booking(3).await, None);
    for (after, last, cost) in [(0, 5, 0), (5, 6, PAID), (6, 9, 0)] {
        assert_eq!(store.booked_between(contracts(), after, last).await.unwrap(), Wei(cost), "{after} {last}");
    }
    let elsewhere = Contracts::from(&deployment_of(8));
    assert_eq!(store.booked_between(elsewhere, 0, 9).await.unwrap(), Wei(0));
}

pub async fn spending_is_summed_by_the_hour_of_the_request(storage: &dyn Storage) {
    let store = storage.open().await;
    for (number, created_at) in [(1, 3600), (2, 7199), (3, 7200)] {
        let new = NewSponsorship { created_at, ..sponsorship(number, proven(), None) };
        reserve_signed(&*store, number, &new).await;
        store.settle(&deployment(), &mined(9, 0, &[(number, settlement(5, GWEI))])).await.unwrap();
    }
    for (time, spent) in [(0, 3), (3600, 3), (7199, 3), (7200, 1), (10_800, 0)] {
        assert_eq!(store.spent_since(contracts(), time).await.unwrap().to_wei(), Wei(spent * GWEI), "{time}");
    }
    assert_eq!(store.spent_since(Contracts::from(&deployment_of(8)), 0).await.unwrap().to_wei(), Wei(0));
}

pub async fn how_operations_of_an_account_ended_is_counted_by_day(storage: &dyn Storage) {
    let store = storage.open().await;
    let samples: Vec<_> = (1..=4u8)
        .map(|number| NewSponsorship { created_at: u64::from(number / 2) * DAY, ..sponsorship(number, proven(), None) })
        .collect();
    for (number, new) in (1..).zip(&samples) {
        reserve_signed(&*store, number, new).await;
    }
    let reverted = Settlement { succeeded: false, ..settlement(5, PAID) };
    let ops = [(1, settlement(5, PAID)), (2, reverted), (3, reverted)];
    for _ in 0..2 {
        store.settle(&deployment(), &mined(9, 0, &ops)).await.unwrap();
    }
    // No log shows how this one ended.
    assert!(store.settle_unknown(&samples[3].id, NEVER, 3, Wei(PAID)).await.unwrap());
    let sender = samples[0].sender;
    for (time, succeeded, reverted) in [(0, 1, 2), (DAY - 1, 1, 2), (DAY, 0, 2), (2 * DAY, 0, 0)] {
        assert_eq!(
            store.outcomes_since(CHAIN, sender, time).await.unwrap(),
            Outcomes { succeeded, reverted },
            "{time}"
        );
    }
    for (chain_id, sender) in [(2, sender), (CHAIN, Address([9; 20]))] {
        assert_eq!(store.outcomes_since(chain_id, sender, 0).await.unwrap(), Outcomes::default());
    }
}

pub async fn the_last_reconciled_block_survives_a_restart(storage: &dyn Storage) {
    assert_eq!(storage.open().await.reconciled(contracts()).await.unwrap(), None);
    for block in [6, 7, 9] {
        // More than a database integer holds.
        let reconciled = Reconciled { block, hash: Hash([5; 32]), deposit: (block > 6).then(|| Wei(10u128.pow(30))) };
        storage.open().await.note_reconciled(contracts(), reconciled).await.unwrap();
        assert_eq!(storage.open().await.reconciled(contracts()).await.unwrap(), Some(reconciled));
        assert_eq!(storage.open().await.reconciled(Contracts::from(&deployment_of(8))).await.unwrap(), None);
    }
}

/// Requested that many days after the beginning of November.
fn of_day(number: u8, day: u64) -> NewSponsorship {
    let requested_at = NOVEMBER + day * DAY;
    let mut new = NewSponsorship { created_at: requested_at, ..sponsorship(number, proven(), None) };
    new.terms.valid_until = requested_at + 600;
    new
}

pub async fn old_sponsorships_are_forgotten_and_stay_in_the_totals(storage: &dyn Storage) {
    let store = storage.open().await;
    let (old, released) = (of_day(1, 0), of_day(2, 0));
    let (recent, open) = (of_day(3, 9), of_day(4, 30));
    for (number, new) in [(1, &old), (2, &released), (3, &recent), (4, &open)] {
        reserve_signed(&*store, number, new).await;
    }
    let ops = [(1, settlement(5, PAID)), (3, settlement(5, PAID))];
    store.settle(&deployment(), &mined(9, 0, &ops)).await.unwrap();
    let elsewhere = NewSponsorship { deployment: on_chain(2), ..of_day(5, 0) };
    reserve(&*store, &elsewhere).await;
    assert_eq!(store.release_expired(vec![released.id.clone(), elsewhere.id.clone()], NEVER).await.unwrap(), 2);
    let before = [usage(&store, UsageBy::Policy).await, usage(&store, UsageBy::Chain).await];
    assert_eq!(store.forget(CHAIN, NOVEMBER, 9).await.unwrap(), 0);
    assert_eq!(store.forget(CHAIN, NOVEMBER + 600, 9).await.unwrap(), 0, "its window lasts to its last second");
    assert_eq!(store.forget(CHAIN, NOVEMBER + DAY, 1).await.unwrap(), 1);
    assert_eq!(store.forget(CHAIN, NOVEMBER + DAY, 9).await.unwrap(), 1);
    assert_eq!(store.forget(CHAIN, NOVEMBER + DAY, 9).await.unwrap(), 0);
    let store = storage.open().await;
    let left: Vec<_> = entries(&store, LedgerQuery::default()).await.into_iter().map(|entry| entry.id).collect();
    assert_eq!(left, [&recent, &open, &elsewhere].map(|new| new.id.to_string()));
    assert_eq!([usage(&store, UsageBy::Policy).await, usage(&store, UsageBy::Chain).await], before);
    assert_eq!((found(&store, &recent).await.is_some(), reserved(&store).await), (true, COST));
    // The same blocks once more.
    let again = store.settle(&deployment(), &mined(9, 0, &ops)).await.unwrap();
    assert_eq!((again.ours, again.unknown.len()), (1, 1));
    assert_eq!([usage(&store, UsageBy::Policy).await, usage(&store, UsageBy::Chain).await], before);
}

pub async fn nothing_is_forgotten_that_an_open_reservation_or_a_comparison_may_need(storage: &dyn Storage) {
    let store = storage.open().await;
    let (old, later) = (of_day(1, 0), of_day(2, 0));
    for (number, new) in [(1, &old), (2, &later)] {
        reserve_signed(&*store, number, new).await;
    }
    reserve(&*store, &of_day(3, 40)).await;
    let after_both = NOVEMBER + 2 * DAY;
    store.settle(&deployment(), &mined(9, 0, &[(1, settlement(5, PAID))])).await.unwrap();
    assert_eq!(store.forget(CHAIN, after_both, 9).await.unwrap(), 0, "another reservation of that time is open");
    store.settle(&deployment(), &mined(9, 2, &[(1, settlement(5, PAID)), (2, settlement(8, PAID))])).await.unwrap();
    assert_eq!(store.forget(CHAIN, after_both, 9).await.unwrap(), 0, "its block is not final");
    store.settle(&deployment(), &mined(9, 0, &[(1, settlement(5, PAID)), (2, settlement(8, PAID))])).await.unwrap();
    let reconciled = |block| Reconciled { block, hash: Hash([5; 32]), deposit: None };
    for (block, forgotten) in [(4, 0), (5, 1), (7, 0), (8, 1)] {
        store.note_reconciled(contracts(), reconciled(block)).await.unwrap();
        assert_eq!(store.forget(CHAIN, after_both, 9).await.unwrap(), forgotten, "{block}");
    }
}

pub async fn a_key_of_a_forgotten_sponsorship_still_stands_for_its_intent(storage: &dyn Storage) {
    let store = storage.open().await;
    let (bought, given_up) = (keyed("order", of_day(1, 0)), keyed("gift", of_day(2, 0)));
    for (number, new) in [(1, &bought), (2, &given_up), (4, &of_day(4, 40))] {
        reserve_signed(&*store, number, new).await;
    }
    store.settle(&deployment(), &mined(9, 0, &[(1, settlement(5, PAID))])).await.unwrap();
    assert_eq!(release_expired(&*store, contracts(), NOVEMBER + DAY).await, 1);
    assert_eq!(store.forget(CHAIN, NOVEMBER + DAY, 9).await.unwrap(), 2);
    let space = bought.key_space();
    let used = store.use_of_key(&space, "order").await.unwrap().unwrap();
    assert_eq!((used.intent, used.is_mined), (bought.intent, true));
    assert_eq!(store.use_of_key(&space, "gift").await.unwrap(), None);

    let other = keyed("order", of_day(3, 40));
    let limits = limits(&other, PLENTY);
    let taken = Reserved::KeyTaken { is_mined: true };
    assert_eq!(store.would_reserve(&other, &limits).await.unwrap(), taken);
    assert_eq!(store.reserve(&other, &limits).await.unwrap(), taken);
    let without = of_day(3, 40);
    reserve(&*store, &without).await;
    assert_eq!(store.note_key(&without.id, "order").await.unwrap(), KeyNoted::Taken { is_mined: true });
    assert_eq!(store.note_key(&without.id, "gift").await.unwrap(), KeyNoted::Noted);
    // The same intent, after a reorganisation deeper than any that is expected.
    reserve(&*store, &keyed("order", again(&bought))).await;
    assert_eq!(store.use_of_key(&space, "order").await.unwrap(), Some(used));
}
