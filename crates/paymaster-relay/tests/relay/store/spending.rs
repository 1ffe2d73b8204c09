//! What a policy spends in its windows.

use std::sync::Arc;

use paymaster_relay::settings::SpendLimitSettings;
use paymaster_relay::spend::{Amounts, Overspent, SpendLimits, Spender};
use paymaster_relay::store::{NewSponsorship, Principal, Reserved, SponsorshipId, Store};
use proto::{Address, IntentHash, UserOpHash, Wei};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::Storage;
use super::samples::{
    COST, GWEI, NEVER, PLENTY, again, contracts, deployment, gwei, key, limits, on_chain, proven, read,
    release_expired, reserve, reserve_signed, signed, sponsorship,
};

/// 2026-11-28 13:30:00 UTC, and the end of that day.
const NOW: u64 = 1_795_872_600;
const TOMORROW: u64 = 1_795_910_400;
const GAS: u128 = 100;

/// The sponsorship under these limits, reserved at that time.
pub fn under(settings: &Value, now: u64, mut of: NewSponsorship) -> NewSponsorship {
    let settings: Vec<SpendLimitSettings> = serde_json::from_value(settings.clone()).unwrap();
    let spender = Spender { charged: of.charged(), sender: of.sender, by_server: false };
    let amounts =
        Amounts { chain_id: of.deployment.entry_point.chain_id, cost: of.max_cost, gas: GAS, price: of.price };
    let charges = SpendLimits::from(&settings[..]).charges(&spender, &amounts, now);
    (of.charges, of.created_at) = (charges, now);
    of
}

fn numbered(number: u8) -> NewSponsorship {
    sponsorship(number, proven(), None)
}

/// What is used of a counter, in its unit: by a limit that nothing more fits into.
pub async fn used(store: &Arc<dyn Store>, per: &str, window: &str, max: &str, like: &NewSponsorship) -> u64 {
    let smallest = match max {
        "max_wei" => json!(GWEI.to_string()),
        "max_usd" => json!("0.000001"),
        _ => json!(1),
    };
    let settings = json!([{ "per": per, "window": window, max: smallest }]);
    let mut next = under(&settings, like.created_at, like.clone());
    (next.id, next.intent) = (SponsorshipId::new(), IntentHash([0xee; 32]));
    next.account_id = "alice".parse().unwrap();
    match store.would_reserve(&next, &limits(&next, PLENTY)).await.unwrap() {
        Reserved::Overspent(Overspent { used, .. }) => used.expect("it is the account's own"),
        Reserved::Recorded => 0,
        other => panic!("{other:?}"),
    }
}

/// The same in wei, for the account of the samples.
async fn spent(store: &Arc<dyn Store>, window: &str, now: u64) -> u128 {
    let like = NewSponsorship { created_at: now, ..numbered(0xee) };
    u128::from(used(store, "account", window, "max_wei", &like).await) * GWEI
}

fn overspent(outcome: Reserved) -> Overspent {
    match outcome {
        Reserved::Overspent(overspent) => overspent,
        other => panic!("{other:?}"),
    }
}

async fn reserve_under(store: &dyn Store, settings: &Value, now: u64, of: NewSponsorship) -> Reserved {
    let new = under(settings, now, of);
    store.reserve(&new, &limits(&new, PLENTY)).await.unwrap()
}

fn daily(max_wei: u128) -> Value {
    json!([{ "per": "account", "window": "day", "max_wei": max_wei.to_string() }])
}

pub async fn a_policy_spends_no_more_than_its_limit_in_a_window_and_again_in_the_next(storage: &dyn Storage) {
    let store = storage.open().await;
    let limit = daily(2 * COST);
    for number in [1, 2] {
        assert_eq!(reserve_under(&*store, &limit, NOW, numbered(number)).await, Reserved::Recorded);
    }
    let refused = overspent(reserve_under(&*store, &limit, NOW, numbered(3)).await);
    assert_eq!(refused.rule(), "limits.max_wei per account per day");
    assert_eq!((refused.limit, refused.used), (14, Some(14)), "gwei");
    assert_eq!((refused.resets_at, refused.may_pass), (Some(TOMORROW), true));
    let last = TOMORROW - 1;
    overspent(reserve_under(&*store, &limit, last, numbered(3)).await);
    assert_eq!(reserve_under(&*store, &limit, TOMORROW, numbered(3)).await, Reserved::Recorded);
    assert_eq!((spent(&store, "day", NOW).await, spent(&store, "day", TOMORROW).await), (2 * COST, COST));
}

pub async fn a_refused_sponsorship_counts_nowhere_and_a_limit_in_another_unit_names_itself(storage: &dyn Storage) {
    let store = storage.open().await;
    let limits = json!([
        { "per": "policy", "window": "month", "max_wei": PLENTY.to_string(), "max_operations": 9 },
        { "per": "account", "window": "day", "max_operations": 9, "max_gas": 250 },
    ]);
    for number in [1, 2] {
        assert_eq!(reserve_under(&*store, &limits, NOW, numbered(number)).await, Reserved::Recorded);
    }
    for number in [3, 4] {
        let refused = overspent(reserve_under(&*store, &limits, NOW, numbered(number)).await);
        assert_eq!((refused.rule().as_str(), refused.used), ("limits.max_gas per account per day", Some(200)));
    }
    let next = under(&limits, NOW, numbered(5));
    overspent(store.would_reserve(&next, &super::samples::limits(&next, PLENTY)).await.unwrap());
    let few = json!([{ "per": "account", "window": "day", "max_operations": 2 }]);
    assert_eq!(overspent(reserve_under(&*store, &few, NOW, numbered(3)).await).used, Some(2));
    let few = json!([{ "per": "policy", "window": "month", "max_operations": 2 }]);
    let refused = overspent(reserve_under(&*store, &few, NOW, numbered(3)).await);
    assert_eq!((refused.used, refused.rule().as_str()), (None, "limits.max_operations per policy per month"));
    let room = json!([{ "per": "policy", "window": "month", "max_operations": 3 }]);
    assert_eq!(reserve_under(&*store, &room, NOW, numbered(3)).await, Reserved::Recorded, "refused ones left nothing");
}

pub async fn a_policys_total_is_freed_by_releases_and_not_by_time(storage: &dyn Storage) {
    let store = storage.open().await;
    let limit = json!([{ "per": "policy", "window": "total", "max_operations": 1 }]);
    let first = under(&limit, NOW, numbered(1));
    reserve(&*store, &first).await;
    let refused = overspent(reserve_under(&*store, &limit, 2 * NOW, numbered(2)).await);
    assert_eq!((refused.resets_at, refused.may_pass), (None, true));
    assert!(store.release(&first.id).await.unwrap());
    let second = under(&limit, NOW, numbered(2));
    reserve_signed(&*store, 2, &second).await;
    store.settle(&deployment(), &read(1, 0, Some((signed(2).user_op_hash, 1)))).await.unwrap();
    let refused = overspent(reserve_under(&*store, &limit, 2 * NOW, numbered(3)).await);
    assert!(!refused.may_pass, "it is spent");
}

pub async fn what_was_spent_is_the_worst_case_until_the_block_is_final_and_the_cost_from_then_on(
    storage: &dyn Storage,
) {
    let store = storage.open().await;
    let limit = json!([{ "per": "account", "window": "day", "max_wei": PLENTY.to_string(), "max_gas": 1_000_000 }]);
    let new = under(&limit, NOW, numbered(1));
    reserve_signed(&*store, 1, &new).await;
    let mined = Some((signed(1).user_op_hash, 2));
    for (blocks, expected) in [
        (read(2, 1, mined), COST),
        // Reorganised away, and mined again in the end.
        (read(2, 1, None), COST),
        (read(2, 1, mined), COST),
        (read(2, 0, mined), GWEI),
        (read(2, 0, mined), GWEI),
    ] {
        store.settle(&deployment(), &blocks).await.unwrap();
        assert_eq!(spent(&store, "day", NOW).await, expected);
        assert_eq!(used(&store, "account", "day", "max_gas", &new).await, 100, "gas limits are limits");
    }
    let store = storage.open().await;
    assert_eq!(spent(&store, "day", NOW).await, GWEI, "after a restart");
    // The next day it is still what that day spent.
    assert_eq!(spent(&store, "day", TOMORROW).await, 0);
}

/// 10 gwei at 2500.000001 dollars a coin are 25.00000001 micro-dollars.
pub async fn dollars_are_rounded_up_at_the_price_of_the_reservation(storage: &dyn Storage) {
    let store = storage.open().await;
    let limit = json!([{ "per": "account", "window": "day", "max_usd": "1000" }]);
    let mut new = under(&limit, NOW, NewSponsorship { price: Some(2_500_000_001), ..numbered(1) });
    new.max_cost = gwei(10 * GWEI);
    let new = under(&limit, NOW, new);
    reserve_signed(&*store, 1, &new).await;
    assert_eq!(used(&store, "account", "day", "max_usd", &new).await, 26);
    store.settle(&deployment(), &read(2, 0, Some((signed(1).user_op_hash, 1)))).await.unwrap();
    assert_eq!(used(&store, "account", "day", "max_usd", &new).await, 3, "1 gwei");
    let too_dear = NewSponsorship { price: Some(u64::MAX / 2), ..numbered(2) };
    overspent(reserve_under(&*store, &limit, NOW, too_dear).await);
}

pub async fn what_is_released_is_not_spent_unless_it_was_mined_after_all(storage: &dyn Storage) {
    let store = storage.open().await;
    let new = under(&daily(PLENTY), NOW, numbered(1));
    reserve_signed(&*store, 1, &new).await;
    assert_eq!(release_expired(&*store, contracts(), NEVER).await, 1);
    assert_eq!(spent(&store, "day", NOW).await, 0);
    for _ in 0..2 {
        store.settle(&deployment(), &read(2, 0, Some((signed(1).user_op_hash, 1)))).await.unwrap();
        assert_eq!(spent(&store, "day", NOW).await, GWEI);
    }
}

pub async fn a_settlement_without_a_log_spends_what_it_says(storage: &dyn Storage) {
    let store = storage.open().await;
    let [first, second] = [1, 2].map(|number| under(&daily(PLENTY), NOW, numbered(number)));
    for new in [&first, &second] {
        reserve(&*store, new).await;
        // Of one nonce only one was mined.
        assert!(store.settle_unknown(&new.id, NEVER, 1, Wei(COST)).await.unwrap());
        assert_eq!(spent(&store, "day", NOW).await, COST);
    }
}

pub async fn no_settlement_spends_more_than_was_reserved(storage: &dyn Storage) {
    let store = storage.open().await;
    let new = under(&daily(PLENTY), NOW, numbered(1));
    reserve_signed(&*store, 1, &new).await;
    let mut blocks = read(2, 0, Some((signed(1).user_op_hash, 1)));
    blocks.mined[0].1.cost = Wei(u128::MAX);
    store.settle(&deployment(), &blocks).await.unwrap();
    assert_eq!(spent(&store, "day", NOW).await, COST, "a node that lies does not fill the counter");
}

pub async fn a_renewal_and_more_signings_are_spent_once_in_the_first_window(storage: &dyn Storage) {
    let store = storage.open().await;
    let new = under(&daily(PLENTY), NOW, numbered(1));
    reserve_signed(&*store, 1, &new).await;
    assert!(store.begin_signing(&new.id, 9).await.unwrap());
    let mut terms = new.terms;
    terms.valid_until = TOMORROW + 600;
    assert!(store.renew(&new.id, &terms, 9).await.unwrap());
    assert!(store.record_signed(&new.id, &terms, &signed(9)).await.unwrap());
    assert_eq!((spent(&store, "day", NOW).await, spent(&store, "day", TOMORROW).await), (COST, 0));
    let repeated = again(&new);
    let outcome = store.reserve(&repeated, &limits(&repeated, PLENTY)).await.unwrap();
    assert_eq!((outcome, spent(&store, "day", NOW).await), (Reserved::AlreadyRecorded, COST));
}

pub async fn wei_are_spent_on_one_chain_and_operations_on_all(storage: &dyn Storage) {
    let store = storage.open().await;
    let limits = json!([{ "per": "account", "window": "day", "max_wei": PLENTY.to_string(), "max_operations": 99 }]);
    for (number, chain_id) in [(1, 1), (2, 1), (3, 5)] {
        let new = NewSponsorship { deployment: on_chain(chain_id), ..numbered(number) };
        assert_eq!(reserve_under(&*store, &limits, NOW, new).await, Reserved::Recorded);
    }
    for (chain_id, gwei) in [(1, 14), (5, 7), (6, 0)] {
        let like = NewSponsorship { deployment: on_chain(chain_id), created_at: NOW, ..numbered(9) };
        assert_eq!(used(&store, "account", "day", "max_wei", &like).await, gwei, "{chain_id}");
    }
    let like = NewSponsorship { created_at: NOW, ..numbered(9) };
    assert_eq!(used(&store, "account", "day", "max_operations", &like).await, 3);
}

pub async fn each_policy_sender_and_principal_spends_its_own(storage: &dyn Storage) {
    let store = storage.open().await;
    let limits = json!([{ "per": "sender", "window": "day", "max_operations": 1 }]);
    let by_key = || sponsorship(4, Principal::ApiKey(key()), Some(key()));
    for new in [
        numbered(1),
        NewSponsorship { policy_id: "other".to_owned(), ..numbered(2) },
        NewSponsorship { sender: Address([9; 20]), ..numbered(3) },
        by_key(),
        sponsorship(5, Principal::Anonymous, None),
    ] {
        let mut next = again(&new);
        next.intent = IntentHash([new.intent.0[0] + 100; 32]);
        assert_eq!(reserve_under(&*store, &limits, NOW, new).await, Reserved::Recorded);
        overspent(reserve_under(&*store, &limits, NOW, next).await);
    }
}

pub async fn concurrent_reservations_never_exceed_a_limit_by_a_unit(storage: &dyn Storage) {
    let store = storage.open().await;
    // Room for 100 of 1,000, less one gwei.
    let limits = json!([{ "per": "policy", "window": "day", "max_wei": (101 * COST - GWEI).to_string() }]);
    let mut tasks = JoinSet::new();
    for number in 0..1000_u16 {
        let (store, limits) = (Arc::clone(&store), limits.clone());
        let mut new = numbered(1);
        new.intent.0[..2].copy_from_slice(&number.to_be_bytes());
        tasks.spawn(async move { reserve_under(&*store, &limits, NOW, new).await });
    }
    let outcomes = tasks.join_all().await;
    let recorded = outcomes.iter().filter(|outcome| **outcome == Reserved::Recorded).count();
    assert_eq!(recorded, 100, "and each refused one left the others of its transaction alone");
    assert!(
        outcomes
            .into_iter()
            .filter(|outcome| *outcome != Reserved::Recorded)
            .all(|outcome| { overspent(outcome).rule() == "limits.max_wei per policy per day" })
    );
    assert_eq!(store.reserved(&deployment()).await.unwrap(), gwei(100 * COST));
}

pub async fn a_window_is_forgotten_once_it_is_over_and_nothing_in_it_is_open(storage: &dyn Storage) {
    let store = storage.open().await;
    let all = json!([
        { "per": "account", "window": "day", "max_wei": PLENTY.to_string() },
        { "per": "account", "window": "total", "max_wei": PLENTY.to_string() },
    ]);
    for number in [1, 2] {
        reserve_signed(&*store, number, &under(&all, NOW, numbered(number))).await;
    }
    let mined = |number: u8| Some((UserOpHash([number; 32]), 1));
    store.settle(&deployment(), &read(1, 0, mined(1))).await.unwrap();
    assert_eq!(store.forget_windows(NEVER).await.unwrap(), 0, "one is open");
    store.settle(&deployment(), &read(2, 0, mined(2))).await.unwrap();
    assert_eq!(store.forget_windows(TOMORROW).await.unwrap(), 0, "it is not over");
    assert_eq!(spent(&store, "day", NOW).await, 2 * GWEI);
    assert_eq!(store.forget_windows(TOMORROW + 1).await.unwrap(), 1);
    assert_eq!((spent(&store, "day", NOW).await, spent(&store, "total", NOW).await), (0, 2 * GWEI));
}
