//! The limits, and the subjects that a reservation is counted for.

use super::*;
use crate::clients::KeyHash;

const COST: u64 = 10;

fn gwei(count: u64) -> Gwei {
    Gwei::at_least(Wei(u128::from(count) * 1_000_000_000)).unwrap()
}

/// Checks a reservation against the limits of these scopes.
fn check(json: &str, deposit: u64, totals: &[(Scope, u64)]) -> Result<(), Excess> {
    let settings: ReservationSettings = serde_json::from_str(json).unwrap();
    check_all(&Caps::new(&settings, Wei(1)).unwrap(), deposit, totals)
}

fn check_all(caps: &Caps, deposit: u64, totals: &[(Scope, u64)]) -> Result<(), Excess> {
    let account_id = "alice".parse().unwrap();
    let key = ApiKeyId::of_hash(&KeyHash([1; 32]));
    let server = Charged {
        principal: &Principal::ApiKey(key.clone()),
        account_id: &account_id,
        is_vouched: true,
        api_key: Some(&key),
    };
    let stranger =
        Charged { principal: &Principal::Anonymous, account_id: &account_id, is_vouched: false, api_key: None };
    for charged in [server, stranger] {
        for limit in caps.limits(&charged, gwei(deposit)) {
            if let Some((_, open)) = totals.iter().find(|(scope, _)| *scope == limit.counter.scope) {
                limit.check(Totals { open: *open, sum: gwei(open * COST) }, gwei(COST))?;
            }
        }
    }
    Ok(())
}

fn rule(outcome: Result<(), Excess>) -> &'static str {
    match outcome.unwrap_err() {
        Excess::Cap { rule, .. } => rule,
        Excess::Deposit { .. } => "deposit",
    }
}

#[test]
fn the_last_reservation_within_a_limit_passes_and_the_next_names_the_rule() {
    for (scope, json, rule_name, most) in [
        (Scope::Account, r#"{"max_per_account": 3, "max_percent_per_account": 100}"#, "max_per_account", 3),
        (Scope::Account, r#"{"max_wei_per_account": "45000000000"}"#, "max_wei_per_account", 4),
        (Scope::Account, r#"{"max_percent_per_account": 5}"#, "max_percent_per_account", 5),
        (Scope::ApiKey, r#"{"max_per_api_key": 3}"#, "max_per_api_key", 3),
        (Scope::ApiKey, r#"{"max_wei_per_api_key": "30000000000"}"#, "max_wei_per_api_key", 3),
        (Scope::ApiKey, r#"{"max_percent_per_api_key": 50}"#, "max_percent_per_api_key", 50),
        (Scope::UnprovenCaller, r#"{"max_unproven_per_caller": 3}"#, "max_unproven_per_caller", 3),
        (Scope::UnprovenCaller, r#"{"max_unproven": 9}"#, "max_unproven_per_caller", 3),
        (Scope::UnprovenCaller, r#"{"max_wei_unproven_per_caller": "30000000000"}"#, "max_wei_unproven_per_caller", 3),
        (Scope::UnprovenCaller, r#"{"max_wei_unproven": "120000000000"}"#, "max_wei_unproven_per_caller", 3),
        (Scope::UnprovenCaller, r#"{"max_percent_unproven_per_caller": 2}"#, "max_percent_unproven_per_caller", 2),
        (Scope::UnprovenCaller, "{}", "max_percent_unproven_per_caller", 3),
        (Scope::UnprovenPublic, r#"{"max_unproven_public": 3}"#, "max_unproven_public", 3),
        (Scope::UnprovenPublic, r#"{"max_unproven": 9}"#, "max_unproven_public", 5),
        (Scope::UnprovenPublic, r#"{"max_wei_unproven": "80000000000"}"#, "max_wei_unproven_public", 4),
        (Scope::UnprovenPublic, "{}", "max_percent_unproven_public", 5),
        (Scope::Unproven, r#"{"max_unproven": 3}"#, "max_unproven", 3),
        (Scope::Unproven, r#"{"max_wei_unproven": "30000000000"}"#, "max_wei_unproven", 3),
        (Scope::Unproven, r#"{"max_percent_unproven": 2}"#, "max_percent_unproven", 2),
    ] {
        let deployment = (Scope::Deployment, most + 1);
        assert_eq!(check(json, 1000, &[deployment, (scope, most)]), Ok(()), "{json}");
        let refused = rule(check(json, 1000, &[deployment, (scope, most + 1)]));
        assert_eq!(refused, format!("reservations.{rule_name}"), "{json}");
    }
}

#[test]
fn one_reservation_is_within_its_owners_share_but_not_within_that_of_nobody() {
    let totals = |scope| [(Scope::Deployment, 1), (scope, 1)];
    for scope in [Scope::Account, Scope::ApiKey, Scope::UnprovenCaller, Scope::UnprovenPublic] {
        assert_eq!(check("{}", COST, &totals(scope)), Ok(()));
    }
    assert_eq!(rule(check("{}", COST, &totals(Scope::Unproven))), "reservations.max_percent_unproven");
    assert_eq!(rule(check("{}", COST - 1, &totals(Scope::Account))), "deposit");
}

#[test]
fn the_quarter_of_an_amount_still_holds_the_largest_operation() {
    let settings: ReservationSettings = serde_json::from_str(r#"{"max_wei_unproven": "20000000000"}"#).unwrap();
    let caps = Caps::new(&settings, gwei(COST).to_wei()).unwrap();
    let totals = |open| [Scope::Deployment, Scope::UnprovenCaller].map(|scope| (scope, open));
    assert_eq!(check_all(&caps, 1000, &totals(1)), Ok(()));
    assert_eq!(rule(check_all(&caps, 1000, &totals(2))), "reservations.max_wei_unproven_per_caller");
}

#[test]
fn a_reservation_is_counted_for_those_who_answer_for_it() {
    let caps = Caps::new(&ReservationSettings::default(), Wei(1)).unwrap();
    let (alice, key) = ("alice".parse().unwrap(), ApiKeyId::of_hash(&KeyHash([1; 32])));
    let (proven, by_key) = (Principal::Account("alice".parse().unwrap()), Principal::ApiKey(key.clone()));
    let (of_key, key_alice) = (format!("key:{key}"), format!("key:{key}/alice"));
    let (key_text, all) = (key.as_str(), (Scope::Deployment, ""));
    for (principal, is_vouched, api_key, expected) in [
        (&proven, true, None, vec![(Scope::Account, "account:alice"), all]),
        (&proven, true, Some(&key), vec![(Scope::ApiKey, key_text), (Scope::Account, "account:alice"), all]),
        (
            &by_key,
            true,
            Some(&key),
            vec![
                (Scope::ApiKey, key_text),
                (Scope::Account, &key_alice),
                (Scope::UnprovenCaller, &of_key),
                (Scope::Unproven, ""),
                all,
            ],
        ),
        (
            &by_key,
            false,
            Some(&key),
            vec![
                (Scope::ApiKey, key_text),
                (Scope::UnprovenCaller, &of_key),
                (Scope::UnprovenPublic, ""),
                (Scope::Unproven, ""),
                all,
            ],
        ),
        (
            &Principal::Anonymous,
            false,
            None,
            vec![(Scope::UnprovenCaller, "anonymous"), (Scope::UnprovenPublic, ""), (Scope::Unproven, ""), all],
        ),
    ] {
        let limits = caps.limits(&Charged { principal, account_id: &alice, is_vouched, api_key }, gwei(1));
        let counters: Vec<_> =
            limits.iter().map(|limit| (limit.counter.scope, limit.counter.subject.as_str())).collect();
        assert_eq!(counters, expected, "{principal}");
    }
}

#[test]
fn a_cap_that_one_operation_would_not_fit_into_is_refused_by_its_name() {
    for (json, key) in [
        (r#"{"max_per_account": 0}"#, "max_per_account"),
        (r#"{"max_percent_unproven": 0}"#, "max_percent_unproven"),
        (r#"{"max_unproven": 0}"#, "max_unproven"),
        (r#"{"max_unproven_per_caller": 0}"#, "max_unproven_per_caller"),
        (r#"{"max_unproven_public": 0}"#, "max_unproven_public"),
        (r#"{"max_percent_unproven_per_caller": 101}"#, "max_percent_unproven_per_caller"),
        (r#"{"max_wei_unproven_per_caller": "999999999"}"#, "max_wei_unproven_per_caller"),
        (r#"{"max_percent_per_api_key": 101}"#, "max_percent_per_api_key"),
        (r#"{"max_wei_per_account": "999999999"}"#, "max_wei_per_account"),
    ] {
        let settings: ReservationSettings = serde_json::from_str(json).unwrap();
        let error = Caps::new(&settings, Wei(1_000_000_000)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("reservations.{key}: ")), "{error}");
    }
}
