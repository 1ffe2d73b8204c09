//! The counters of a sponsorship, and when a limit is reached.

use proto::{Address, Wei};
use serde_json::{Value, json};

use super::{Amounts, Charge, SpendLimits, Spender, Used};
use crate::budget::Charged;
use crate::clients::{ApiKeyId, KeyHash};
use crate::gwei::Gwei;
use crate::principal::Principal;
use crate::settings::SpendLimitSettings;

/// 2026-11-28 13:30:00 UTC.
const NOW: u64 = 1_795_872_600;
const DAY_END: u64 = 1_795_910_400;

fn parse(limits: &Value) -> Vec<SpendLimitSettings> {
    serde_json::from_value(limits.clone()).unwrap()
}

fn charges_of(limits: &Value, charged: Charged<'_>, by_server: bool, gas: u128) -> Vec<Charge> {
    let spender = Spender { charged, sender: Address([7; 20]), by_server };
    let amounts =
        Amounts { chain_id: 5, cost: Gwei::at_least(Wei(9_000_000_001)).unwrap(), gas, price: Some(2_500_000_000) };
    SpendLimits::from(&parse(limits)[..]).charges(&spender, &amounts, NOW)
}

fn alice_charges(limits: &Value, gas: u128) -> Vec<Charge> {
    let account_id = "alice".parse().unwrap();
    let principal = Principal::Account("alice".parse().unwrap());
    let charged = Charged { principal: &principal, account_id: &account_id, is_vouched: true, api_key: None };
    charges_of(limits, charged, false, gas)
}

#[test]
fn each_maximum_has_a_counter_with_its_unit_chain_and_window() {
    let limits = json!([
        { "per": "policy", "window": "day", "max_wei": "30000000000", "max_operations": 3, "max_gas": 1000 },
        { "per": "account", "window": "total", "max_operations": 9 },
        { "per": "sender", "window": 1000, "max_gas": 50 },
    ]);
    let charges = alice_charges(&limits, 100);
    let seen: Vec<_> = charges
        .iter()
        .map(|charge| (charge.unit.name(), charge.chain_id, charge.span, charge.amount, charge.subject.as_str()))
        .collect();
    let day = (DAY_END - 86_400, Some(DAY_END));
    let sender = format!("account:alice/{}", "07".repeat(20));
    assert_eq!(
        seen,
        [
            ("gwei", Some(5), day, 10, ""),
            ("operations", None, day, 1, ""),
            ("gas", None, day, 100, ""),
            ("operations", None, (0, None), 1, "account:alice"),
            ("gas", None, (NOW - 600, Some(NOW + 400)), 51, &sender),
        ]
    );
}

#[test]
fn nobody_is_counted_where_another_one_could_name_them() {
    let limits = json!(
        ["policy", "sender", "account", "api_key"]
            .map(|per| json!({ "per": per, "window": "day", "max_operations": 1 }))
    );
    let (bob, key) = ("bob".parse().unwrap(), ApiKeyId::of_hash(&KeyHash([1; 32])));
    let (proven, by_key) = (Principal::Account("bob".parse().unwrap()), Principal::ApiKey(key.clone()));
    let (of_key, sender) = (format!("key:{key}"), "07".repeat(20));
    for (principal, is_vouched, api_key, by_server, subjects, known) in [
        (&proven, true, None, false, [format!("account:bob/{sender}"), "account:bob".into(), "anonymous".into()], "sa"),
        (
            &proven,
            true,
            Some(&key),
            false,
            [format!("account:bob/{sender}"), "account:bob".into(), of_key.clone()],
            "sa",
        ),
        (
            &by_key,
            true,
            Some(&key),
            true,
            [format!("{of_key}/{sender}"), format!("{of_key}/bob"), of_key.clone()],
            "sak",
        ),
        (
            &by_key,
            false,
            Some(&key),
            false,
            [format!("{of_key}/{sender}"), format!("{of_key}/{sender}"), of_key.clone()],
            "",
        ),
        (
            &Principal::Anonymous,
            false,
            None,
            false,
            [format!("anonymous/{sender}"), format!("anonymous/{sender}"), "anonymous".into()],
            "",
        ),
    ] {
        let charged = Charged { principal, account_id: &bob, is_vouched, api_key };
        let charges = charges_of(&limits, charged, by_server, 1);
        let seen: Vec<_> = charges.iter().map(|charge| charge.subject.clone()).collect();
        assert_eq!((seen[0].as_str(), &seen[1..]), ("", &subjects[..]), "{principal}");
        let told = |charge: &Charge| charge.check(Used { reserved: 2, settled: 0 }).unwrap_err().used.is_some();
        let expected = [false, known.contains('s'), known.contains('a'), known.contains('k')];
        assert_eq!(charges.iter().map(told).collect::<Vec<_>>(), expected, "{principal}");
    }
}

#[test]
fn a_limit_holds_to_the_last_unit_and_says_when_the_same_request_may_pass() {
    let limits = json!([
        { "per": "account", "window": "day", "max_gas": 250 },
        { "per": "account", "window": "total", "max_gas": 250 },
    ]);
    let [of_day, of_all] = &alice_charges(&limits, 100)[..] else { panic!("two limits") };
    for charge in [of_day, of_all] {
        assert_eq!(charge.check(Used { reserved: 100, settled: 150 }), Ok(()));
    }
    let over = of_day.check(Used { reserved: 100, settled: 151 }).unwrap_err();
    assert_eq!((over.limit, over.used, over.resets_at, over.may_pass), (250, Some(151), Some(DAY_END), true));
    assert_eq!(over.rule(), "limits.max_gas per account per day");
    assert_eq!(over.to_string(), "at most 250 gas per account per day, of which 151 gas are used");
    assert_eq!(over.before_proof().used, None);

    let reserved = of_all.check(Used { reserved: 251, settled: 0 }).unwrap_err();
    assert_eq!((reserved.resets_at, reserved.may_pass), (None, true), "reservations close");
    let spent = of_all.check(Used { reserved: 100, settled: 151 }).unwrap_err();
    assert_eq!((spent.rule(), spent.may_pass), ("limits.max_gas per account in total".to_owned(), false));

    let too_large = &alice_charges(&limits, u128::MAX)[0];
    let refused = too_large.check(Used { reserved: too_large.amount, settled: 0 }).unwrap_err();
    assert_eq!((refused.used, refused.may_pass), (Some(0), false));
}

#[test]
fn a_limit_that_is_none_or_counts_twice_is_refused_by_its_name() {
    for (limits, expected) in [
        (
            json!([{ "per": "policy", "window": "day" }]),
            "policies.limits: the one of policy \"p\", per policy and day has no maximum",
        ),
        (
            json!([{ "per": "policy", "window": "day", "max_wei": "999999999" }]),
            "policies.limits.max_wei: must be at least 1 gwei",
        ),
        (
            json!([{ "per": "policy", "window": "day", "max_operations": 0 }]),
            "policies.limits.max_operations: must be above 0",
        ),
        (json!([{ "per": "policy", "window": "day", "max_gas": 0 }]), "policies.limits.max_gas: must be above 0"),
        (
            json!([{ "per": "sender", "window": 60, "max_gas": 1 }, { "per": "sender", "window": 60, "max_operations": 1 }]),
            "policies.limits: duplicate of policy \"p\", per sender and 60 s",
        ),
    ] {
        let error = SpendLimits::check("p", &parse(&limits)).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    for window in [json!("fortnight"), json!(0), json!(-5), json!(1.5), json!(u64::MAX)] {
        let limit = json!({ "per": "policy", "window": window, "max_gas": 1 });
        let error = serde_json::from_value::<SpendLimitSettings>(limit).unwrap_err().to_string();
        assert!(error.contains("hour, day, week, month, total, or a number of seconds"), "{error}");
    }
}
