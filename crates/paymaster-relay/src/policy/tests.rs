//! Each rule, and the encodings of calls.

use alloy_primitives::{Address, Bytes, U256, address, bytes};
use alloy_sol_types::{SolCall, sol};
use proto::bytes::Bounded;
use proto::{AccountId, EntryPointVersion, Init, Uint256, UserOperation, Wei};

use super::calls::simple_account::{BatchV06, BatchV07, BatchV08, executeCall};
use super::{Case, ListedStandings, Market, Policy, Standing, Standings, Violation};
use crate::clients::ApiKeyId;
use crate::settings::{AccountSettings, Membership, PolicySettings};

const GOOD: Address = address!("00000000000000000000000000000000000000aa");
const BAD: Address = address!("00000000000000000000000000000000000000bb");

fn transfer() -> Bytes {
    bytes!("a9059cbb0000")
}

fn proto_address(address: Address) -> proto::Address {
    address.into()
}

fn policy(more: &str) -> Policy {
    let settings: PolicySettings = toml_like(&format!(r#"{{"id":"p","max_cost_per_operation":"1000"{more}}}"#));
    Policy::from(&settings)
}

fn toml_like(json: &str) -> PolicySettings {
    serde_json::from_str(json).unwrap()
}

fn standing() -> Standing {
    Standing { active: true, balance: Wei(50), membership: Membership::Basic }
}

fn op(call_data: Vec<u8>) -> UserOperation {
    UserOperation {
        sender: proto_address(GOOD),
        nonce: Uint256::default(),
        init: Init::Deployed,
        call_data: Bounded::new(call_data).unwrap(),
        call_gas_limit: 1,
        verification_gas_limit: 1,
        pre_verification_gas: 1,
        max_fee_per_gas: 1,
        max_priority_fee_per_gas: 1,
        paymaster: None,
    }
}

fn judge(policy: &Policy, op: &UserOperation, change: impl Fn(&mut Case<'_>)) -> Result<(), Violation> {
    let account_id: AccountId = "account".parse().unwrap();
    let mut case = case(&account_id, op);
    change(&mut case);
    policy.judge(&case)
}

/// A case that satisfies every rule which is not set.
fn case<'a>(account_id: &'a AccountId, op: &'a UserOperation) -> Case<'a> {
    Case {
        account_id,
        standing: Some(standing()),
        op,
        delegate: None,
        codes: None,
        cost: Wei(1000),
        proven: true,
        version: EntryPointVersion::V07,
        origin: None,
        api_key: None,
        now: 1000,
        until: 1100,
        market: None,
    }
}

fn batches(targets: &[Address]) -> [Vec<u8>; 4] {
    let func = vec![transfer(); targets.len()];
    let calls =
        targets.iter().map(|target| BatchV08::Call { target: *target, value: U256::ZERO, data: transfer() }).collect();
    [
        BatchV06::executeBatchCall { dest: targets.to_vec(), func: func.clone() }.abi_encode(),
        BatchV07::executeBatchCall {
            dest: targets.to_vec(),
            value: vec![U256::ZERO; targets.len()],
            func: func.clone(),
        }
        .abi_encode(),
        BatchV07::executeBatchCall { dest: targets.to_vec(), value: Vec::new(), func }.abi_encode(),
        BatchV08::executeBatchCall { calls }.abi_encode(),
    ]
}

const TARGETS: &str = r#","targets":[{"address":"0x00000000000000000000000000000000000000aa"}]"#;
const SELECTORS: &str =
    r#","targets":[{"address":"0x00000000000000000000000000000000000000aa","selectors":["0xa9059cbb"]}]"#;

#[test]
fn an_operation_within_every_rule_is_sponsored() {
    assert_eq!(judge(&policy(""), &op(vec![1, 2, 3, 4, 5]), |_| {}), Ok(()));
}

#[test]
fn one_bad_call_anywhere_in_a_batch_refuses_the_batch() {
    let policy = policy(TARGETS);
    for position in 0..3 {
        let mut targets = [GOOD; 3];
        targets[position] = BAD;
        for call_data in batches(&targets) {
            assert_eq!(
                judge(&policy, &op(call_data), |_| {}),
                Err(Violation::TargetNotAllowed { index: position, target: proto_address(BAD) })
            );
        }
    }
    for call_data in batches(&[GOOD; 3]) {
        assert_eq!(judge(&policy, &op(call_data), |_| {}), Ok(()));
    }
}

#[test]
fn a_single_call_is_looked_at_like_a_batch() {
    let call = |dest| executeCall { dest, value: U256::ZERO, func: transfer() }.abi_encode();
    assert_eq!(judge(&policy(TARGETS), &op(call(GOOD)), |_| {}), Ok(()));
    let refused = Err(Violation::TargetNotAllowed { index: 0, target: proto_address(BAD) });
    assert_eq!(judge(&policy(TARGETS), &op(call(BAD)), |_| {}), refused);
}

#[test]
fn only_the_listed_functions_of_a_target_are_called() {
    let call = |func: Bytes| executeCall { dest: GOOD, value: U256::ZERO, func }.abi_encode();
    let policy = policy(SELECTORS);
    let refused = Err(Violation::FunctionNotAllowed { index: 0, target: proto_address(GOOD) });
    assert_eq!(judge(&policy, &op(call(transfer())), |_| {}), Ok(()));
    assert_eq!(judge(&policy, &op(call(bytes!("095ea7b3"))), |_| {}), refused);
    assert_eq!(judge(&policy, &op(call(bytes!("a9059c"))), |_| {}), refused);
    assert_eq!(judge(&policy, &op(call(Bytes::new())), |_| {}), refused);
}

const CONDITIONS: &str = r#","targets":[{"address":"0x00000000000000000000000000000000000000aa","selectors":["0x095ea7b3"],
    "functions":[{"signature":"transfer(address,uint256)","conditions":[
        {"argument":0,"one_of":["0x00000000000000000000000000000000000000cc","0x00000000000000000000000000000000000000dd"]},
        {"argument":1,"at_most":"1000"}]}]}]"#;

sol! {
    function transfer(address to, uint256 amount);
}

#[test]
fn the_arguments_of_every_inner_call_satisfy_the_conditions_of_its_function() {
    let policy = policy(CONDITIONS);
    let transfer = |to: u8, amount| {
        let to = Address::with_last_byte(to);
        Bytes::from(transferCall { to, amount }.abi_encode())
    };
    let batch = |calls: &[Bytes]| {
        let calls = calls.iter().map(|data| BatchV08::Call { target: GOOD, value: U256::ZERO, data: data.clone() });
        BatchV08::executeBatchCall { calls: calls.collect() }.abi_encode()
    };
    let within = transfer(0xcc, U256::from(1000));
    let other = Bytes::from_static(&[0x09, 0x5e, 0xa7, 0xb3]);
    assert_eq!(judge(&policy, &op(batch(&[within.clone(), transfer(0xdd, U256::ZERO), other])), |_| {}), Ok(()));
    for (call, argument) in
        [(transfer(0xcc, U256::from(1001)), 1), (transfer(0xcc, U256::MAX), 1), (transfer(0xee, U256::from(1)), 0)]
    {
        for position in 0..3 {
            let mut calls = vec![within.clone(); 3];
            calls[position] = call.clone();
            let target = proto_address(GOOD);
            let refused = Err(Violation::ArgumentNotAllowed { index: position, target, argument });
            assert_eq!(judge(&policy, &op(batch(&calls)), |_| {}), refused);
        }
    }
    let mut dirty = within.to_vec();
    dirty[4] = 1;
    let trailing = [&within[..], &[0]].concat();
    for unusual in [dirty, trailing, within[..within.len() - 1].to_vec(), within[..4].to_vec()] {
        let judged = judge(&policy, &op(batch(&[unusual.into()])), |_| {});
        assert_eq!(judged, Err(Violation::CallNotUnderstood));
    }
    let unlisted = judge(&policy, &op(batch(&[Bytes::from_static(&[1, 2, 3, 4])])), |_| {});
    assert_eq!(unlisted, Err(Violation::FunctionNotAllowed { index: 0, target: proto_address(GOOD) }));
}

#[test]
fn a_function_that_does_not_parse_allows_no_call() {
    let policy = policy(
        r#","targets":[{"address":"0x00000000000000000000000000000000000000aa","functions":[{"signature":"transfer(uint)"}]}]"#,
    );
    let call = executeCall { dest: GOOD, value: U256::ZERO, func: transfer() }.abi_encode();
    assert!(judge(&policy, &op(call), |_| {}).is_err());
}

#[test]
fn a_delegatecall_needs_a_target_that_allows_it() {
    use super::calls::kernel::executeDelegateCallCall;
    let delegate = |to| executeDelegateCallCall { to, data: transfer() }.abi_encode();
    let refused = Err(Violation::DelegatecallNotAllowed { index: 0, target: proto_address(GOOD) });
    assert_eq!(judge(&policy(TARGETS), &op(delegate(GOOD)), |_| {}), refused);
    let allowing = policy(
        r#","targets":[{"address":"0x00000000000000000000000000000000000000aa","selectors":["0xa9059cbb"],"delegatecall":true}]"#,
    );
    assert_eq!(judge(&allowing, &op(delegate(GOOD)), |_| {}), Ok(()));
    assert!(judge(&allowing, &op(delegate(BAD)), |_| {}).is_err());
    let other = executeDelegateCallCall { to: GOOD, data: bytes!("095ea7b3") }.abi_encode();
    let refused = Err(Violation::FunctionNotAllowed { index: 0, target: proto_address(GOOD) });
    assert_eq!(judge(&allowing, &op(other), |_| {}), refused);
}

#[test]
fn an_encoding_that_is_not_understood_is_refused_when_targets_are_listed() {
    let canonical = executeCall { dest: GOOD, value: U256::ZERO, func: transfer() }.abi_encode();
    let trailing = [canonical.clone(), vec![0; 32]].concat();
    let mut dirty_address = canonical.clone();
    dirty_address[4] = 1;
    let mut dirty_padding = canonical.clone();
    *dirty_padding.last_mut().unwrap() = 1;
    let mut far_offset = trailing.clone();
    far_offset[4 + 64 + 31] = 0x80;
    let truncated = canonical[..canonical.len() - 32].to_vec();
    let execute_user_op = vec![0x8d, 0xd7, 0x71, 0x2f, 0, 0];
    let short = vec![0xb6, 0x1d];
    let unequal = BatchV06::executeBatchCall { dest: vec![GOOD, GOOD], func: vec![transfer()] }.abi_encode();
    let unequal_values = BatchV07::executeBatchCall {
        dest: vec![GOOD, GOOD],
        value: vec![U256::ZERO],
        func: vec![transfer(), transfer()],
    }
    .abi_encode();

    let policy = policy(TARGETS);
    for call_data in
        [trailing, dirty_address, dirty_padding, far_offset, truncated, execute_user_op, short, unequal, unequal_values]
    {
        assert_eq!(
            judge(&policy, &op(call_data.clone()), |_| {}),
            Err(Violation::CallNotUnderstood),
            "{call_data:02x?}"
        );
    }
}

#[test]
fn empty_call_data_calls_nothing() {
    assert_eq!(judge(&policy(TARGETS), &op(Vec::new()), |_| {}), Ok(()));
}

#[test]
fn the_cost_cap_includes_its_own_value_and_nothing_above() {
    let refused = judge(&policy(""), &op(Vec::new()), |case| case.cost = Wei(1001));
    assert_eq!(refused, Err(Violation::CostAboveLimit { limit: Wei(1000), cost: Wei(1001) }));
}

#[test]
fn each_field_of_gas_and_fees_is_bounded_to_the_unit() {
    let large = UserOperation {
        call_gas_limit: 100,
        verification_gas_limit: 200,
        pre_verification_gas: 300,
        max_fee_per_gas: 400,
        max_priority_fee_per_gas: 50,
        ..op(Vec::new())
    };
    for (setting, used, reason) in [
        ("max_call_gas", 100, "call_gas_above_policy"),
        ("max_verification_gas", 200, "verification_gas_above_policy"),
        ("max_pre_verification_gas", 300, "pre_verification_gas_above_policy"),
        ("max_gas_per_operation", 600, "gas_above_policy"),
        ("max_fee_per_gas", 400, "fee_above_policy"),
        ("max_priority_fee_per_gas", 50, "priority_fee_above_policy"),
    ] {
        let with = |limit: u128| judge(&policy(&format!(r#","{setting}":{limit}"#)), &large, |_| {});
        assert_eq!(with(used), Ok(()), "{setting}");
        let violation = with(used - 1).unwrap_err();
        assert_eq!((violation.reason(), violation.rule()), (reason, setting));
        assert_eq!(violation.bounds(), Some(((used - 1).to_string(), Some(used.to_string()))));
        assert!(!violation.may_pass(), "{setting}");
    }
    let huge = UserOperation { call_gas_limit: u128::MAX, ..large };
    assert!(judge(&policy(r#","max_gas_per_operation":9223372036854775807"#), &huge, |_| {}).is_err());
}

#[test]
fn gas_for_the_bundler_is_compared_with_what_the_operation_costs_it() {
    // 39,300 for transaction and EntryPoint, 18,200 for the other fields; 40 and 10 for a byte.
    for (data, cost) in [(vec![], 57_500), (vec![1; 100], 61_500), (vec![0; 100], 58_500)] {
        for percent in [100, 150] {
            let policy = policy(&format!(r#","max_pre_verification_percent":{percent}"#));
            let with = |gas| judge(&policy, &UserOperation { pre_verification_gas: gas, ..op(data.clone()) }, |_| {});
            let limit = cost * percent / 100;
            assert_eq!(with(limit), Ok(()));
            let refused = Violation::PreVerificationGasAboveCost { limit, used: limit + 1 };
            assert_eq!(with(limit + 1), Err(refused));
        }
    }
    let init = Init::Factory { factory: proto_address(GOOD), data: Bounded::new(vec![1; 100]).unwrap() };
    let created = UserOperation { init, pre_verification_gas: 61_500, ..op(Vec::new()) };
    assert_eq!(judge(&policy(r#","max_pre_verification_percent":100"#), &created, |_| {}), Ok(()));
    let init = Init::Eip7702 { delegate: proto_address(GOOD), data: Bounded::default() };
    let named = UserOperation { init, ..op(Vec::new()) };
    let exact = policy(r#","max_pre_verification_percent":100"#);
    for (delegating, delegate) in [(named, None), (op(Vec::new()), Some(proto_address(GOOD)))] {
        let with = |gas| {
            let op = UserOperation { pre_verification_gas: gas, ..delegating.clone() };
            judge(&exact, &op, |case| case.delegate = delegate)
        };
        assert_eq!(with(82_500), Ok(()), "an authorisation costs 25,000");
        assert!(with(82_501).is_err());
    }
}

#[test]
fn fees_are_compared_with_the_chains_price_once_that_is_known() {
    let op = UserOperation { max_fee_per_gas: 300, max_priority_fee_per_gas: 40, ..op(Vec::new()) };
    let at = |setting: &str, base_fee, tip| {
        let market = Some(Market { base_fee, tip });
        judge(&policy(&format!(r#","{setting}":200"#)), &op, |case| case.market = market)
    };
    for (setting, price, below) in [
        ("max_fee_percent", (130, 20), (129, 20)),
        ("max_fee_percent", (100, 50), (100, 49)),
        ("max_priority_fee_percent", (0, 20), (u128::MAX, 19)),
        // A node that suggests no tip.
        ("max_priority_fee_percent", (0, u128::MAX), (0, 0)),
    ] {
        assert_eq!(at(setting, price.0, price.1), Ok(()), "{setting}");
        let violation = at(setting, below.0, below.1).unwrap_err();
        assert_eq!(violation.rule(), setting);
        assert!(violation.may_pass(), "the price may rise");
    }
    assert_eq!(judge(&policy(r#","max_fee_percent":100,"max_priority_fee_percent":100"#), &op, |_| {}), Ok(()));
}

#[test]
fn an_account_must_be_listed_active_solvent_and_member_enough() {
    let policy = policy(r#","min_balance":51,"min_membership":"premium""#);
    let op = op(Vec::new());
    let with = |change: &dyn Fn(&mut Standing)| {
        judge(&policy, &op, |case| {
            let mut changed = Standing { balance: Wei(51), membership: Membership::Premium, ..standing() };
            change(&mut changed);
            case.standing = Some(changed);
        })
    };
    assert_eq!(with(&|_| {}), Ok(()));
    assert_eq!(with(&|s| s.active = false), Err(Violation::AccountInactive));
    assert!(matches!(with(&|s| s.balance = Wei(50)), Err(Violation::BalanceTooLow { .. })));
    assert!(matches!(with(&|s| s.membership = Membership::Basic), Err(Violation::MembershipTooLow { .. })));
    assert_eq!(judge(&policy, &op, |case| case.standing = None), Err(Violation::AccountUnlisted));
}

#[test]
fn without_a_passkey_only_a_policy_that_says_so_sponsors() {
    let op = op(Vec::new());
    let without = |case: &mut Case<'_>| case.proven = false;
    assert_eq!(judge(&policy(""), &op, without), Err(Violation::PasskeyMissing));
    assert_eq!(judge(&policy(r#","allow_without_passkey":true"#), &op, without), Ok(()));
}

#[test]
fn a_sender_that_is_not_listed_is_refused() {
    let policy = policy(r#","senders":["0x00000000000000000000000000000000000000bb"]"#);
    assert_eq!(
        judge(&policy, &op(Vec::new()), |_| {}),
        Err(Violation::SenderNotAllowed { sender: proto_address(GOOD) })
    );
}

#[test]
fn every_rule_says_what_it_would_say_by_itself() {
    let policy =
        policy(r#","min_balance":51,"max_call_gas":0,"senders":["0x00000000000000000000000000000000000000bb"]"#);
    let (account_id, op) = ("account".parse().unwrap(), op(vec![1]));
    let verdicts = policy.verdicts(&case(&account_id, &op));
    let refused: Vec<_> =
        verdicts.iter().filter(|verdict| verdict.outcome.is_err()).map(|verdict| verdict.rule).collect();
    assert_eq!(refused, ["min_balance", "senders", "max_call_gas"]);
    let rules: Vec<_> = verdicts.iter().map(|verdict| verdict.rule).collect();
    assert!(rules.contains(&"targets") && rules.contains(&"max_fee_percent"), "{rules:?}");
    assert_eq!(policy.judge(&case(&account_id, &op)).unwrap_err().rule(), "min_balance", "the first decides");

    let unlisted = policy.verdicts(&Case { standing: None, ..case(&account_id, &op) });
    let open: Vec<_> = unlisted.iter().filter(|verdict| verdict.is_of_another).map(|verdict| verdict.rule).collect();
    assert_eq!(open, ["min_balance", "min_membership"], "without an entry there is nothing to compare");
    assert_eq!(unlisted[0].rule, "accounts");
}

#[test]
fn a_rule_in_shadow_is_judged_and_not_enforced() {
    let strict = r#","max_call_gas":0,"senders":["0x00000000000000000000000000000000000000bb"]"#;
    let policy = policy(&format!(r#"{strict},"shadow":["senders","targets"]"#));
    let (account_id, op) = ("account".parse().unwrap(), op(Vec::new()));
    let case = case(&account_id, &op);
    assert_eq!(policy.judge(&case).unwrap_err().rule(), "max_call_gas");
    assert_eq!(policy.shadowed(&case), [Violation::SenderNotAllowed { sender: proto_address(GOOD) }]);
    let shadowed: Vec<_> =
        policy.verdicts(&case).iter().filter(|verdict| verdict.is_in_shadow).map(|verdict| verdict.rule).collect();
    assert_eq!(shadowed, ["senders", "targets"]);
    let lenient = UserOperation { call_gas_limit: 0, ..op.clone() };
    assert_eq!(policy.judge(&Case { op: &lenient, ..case }), Ok(()));
}

#[test]
fn what_bounds_the_relays_spending_cannot_be_in_shadow() {
    let shadowable = Policy::shadowable();
    assert!(shadowable.contains(&"targets") && shadowable.contains(&"max_fee_percent"));
    for name in super::ENFORCED {
        assert!(!shadowable.contains(&name) && super::Rules::names().contains(&name), "{name}");
    }
}

#[test]
fn a_blocked_sender_is_refused_even_if_it_is_listed() {
    let listed = policy(r#","senders":["0x00000000000000000000000000000000000000aa"]"#);
    let blocked = policy(
        r#","senders":["0x00000000000000000000000000000000000000aa"],"blocked_senders":["0x00000000000000000000000000000000000000AA"]"#,
    );
    assert_eq!(judge(&listed, &op(Vec::new()), |_| {}), Ok(()));
    let sender = proto_address(GOOD);
    assert_eq!(judge(&blocked, &op(Vec::new()), |_| {}), Err(Violation::SenderBlocked { sender }));
    let other = UserOperation { sender: proto_address(BAD), ..op(Vec::new()) };
    let blocked = policy(r#","blocked_senders":["0x00000000000000000000000000000000000000aa"]"#);
    assert_eq!(judge(&blocked, &other, |_| {}), Ok(()));
}

#[test]
fn only_listed_versions_of_the_entry_point_are_sponsored() {
    let policy = policy(r#","entry_point_versions":["0.7","0.8"]"#);
    for version in EntryPointVersion::ALL {
        let outcome = judge(&policy, &op(Vec::new()), |case| case.version = version);
        let listed = matches!(version, EntryPointVersion::V07 | EntryPointVersion::V08);
        let refused = Err(Violation::EntryPointVersionNotAllowed { version });
        assert_eq!(outcome, if listed { Ok(()) } else { refused });
    }
}

#[test]
fn a_policy_sponsors_from_its_start_until_no_window_fits_before_its_end() {
    let policy = policy(r#","not_before":"1970-01-01T00:16:40Z","not_after":"1970-01-01T00:20:00Z""#);
    let at = |now, until| judge(&policy, &op(Vec::new()), |case| (case.now, case.until) = (now, until));
    assert_eq!(at(1000, 1100), Ok(()));
    assert_eq!(at(1100, 1200), Ok(()));
    let early = at(999, 1099).unwrap_err();
    assert_eq!((&early, early.may_pass()), (&Violation::PolicyNotStarted { not_before: 1000 }, true));
    let late = at(1101, 1201).unwrap_err();
    assert_eq!((&late, late.may_pass()), (&Violation::PolicyEnded { not_after: 1200 }, false));
    assert_eq!(late.bounds(), Some(("1200".to_owned(), None)));
}

#[test]
fn only_pages_at_listed_origins_are_sponsored() {
    let judge = |origins: &str, origin: Option<&str>| {
        let policy = policy(&format!(r#","origins":{origins}"#));
        let (account_id, op) = ("account".parse().unwrap(), op(Vec::new()));
        let case = Case { origin, ..case(&account_id, &op) };
        policy.judge(&case)
    };
    const LISTED: &str = r#"["https://Dapp.example","chrome-extension://*"]"#;
    for origin in ["https://dapp.example", "chrome-extension://abc"] {
        assert_eq!(judge(LISTED, Some(origin)), Ok(()), "{origin}");
    }
    for origin in [Some("https://dapp.example.evil"), Some("http://dapp.example"), Some("null"), None] {
        let violation = judge(LISTED, origin).unwrap_err();
        assert_eq!(violation, Violation::OriginNotAllowed { origin: origin.map(str::to_owned) });
    }
    assert_eq!(judge(r#"["missing"]"#, None), Ok(()));
    assert_eq!(judge("[]", None), Ok(()));
    // The settings are refused for it; nothing passes all the same.
    assert!(judge(r#"["nowhere"]"#, Some("nowhere")).is_err());
}

#[test]
fn only_listed_api_keys_may_use_the_policy() {
    let policy = policy(r#","api_keys":["0011223344556677"]"#);
    let judge = |key: Option<&str>| {
        let key = key.map(|id| ApiKeyId::from(id.to_owned()));
        let (account_id, op) = ("account".parse().unwrap(), op(Vec::new()));
        policy.judge(&Case { api_key: key.as_ref(), ..case(&account_id, &op) })
    };
    assert_eq!(judge(Some("0011223344556677")), Ok(()));
    for other in [Some("0011223344556678"), Some(""), None] {
        assert_eq!(judge(other), Err(Violation::ApiKeyNotAllowed), "{other:?}");
    }
}

#[test]
fn a_factory_or_a_delegate_must_be_listed_where_targets_are() {
    const LISTED: &str = r#","factories":["0x00000000000000000000000000000000000000aa"]"#;
    let call = executeCall { dest: GOOD, value: U256::ZERO, func: transfer() }.abi_encode();
    for by in [GOOD, BAD] {
        let factory = proto_address(by);
        let ways = [
            Init::Factory { factory, data: Bounded::default() },
            Init::Eip7702 { delegate: factory, data: Bounded::default() },
        ];
        let named = ways.map(|init| (init, None));
        for (init, delegate) in [&named[..], &[(Init::Deployed, Some(factory))]].concat() {
            let op = UserOperation { init, ..op(call.clone()) };
            let judge = |policy: &Policy| judge(policy, &op, |case| case.delegate = delegate);
            let refused = Err(Violation::FactoryNotAllowed { factory });
            let listed = if by == GOOD { Ok(()) } else { refused.clone() };
            assert_eq!(judge(&policy("")), Ok(()));
            assert_eq!(judge(&policy(TARGETS)), refused);
            assert_eq!(judge(&policy(LISTED)), listed);
            assert_eq!(judge(&policy(&format!("{TARGETS}{LISTED}"))), listed);
        }
    }
}

#[tokio::test]
async fn an_address_lends_its_standing_to_its_own_operations_only() {
    let listed: Vec<AccountSettings> = serde_json::from_value(serde_json::json!([
        // The checksummed form, which tools print.
        { "id": GOOD.to_checksum(None), "membership": "premium" },
        { "id": "alice", "membership": "premium" },
    ]))
    .unwrap();
    let standings: &dyn Standings = &ListedStandings::new(&listed, None).unwrap();
    let has_standing = async |id: &str, sender: Address, proven| {
        standings.of_request(&id.parse().unwrap(), proto_address(sender), proven).await.unwrap().is_some()
    };
    let address = GOOD.to_string().to_lowercase();
    for proven in [true, false] {
        assert!(!has_standing(&address, BAD, proven).await, "{proven}");
        assert_eq!(has_standing("alice", BAD, proven).await, proven);
        assert!(has_standing(&address, GOOD, proven).await);
        assert_eq!(has_standing("zz", GOOD, proven).await, !proven);
    }
}

#[tokio::test]
async fn a_sender_that_is_listed_as_inactive_is_so_under_every_account_id() {
    let inactive: Vec<AccountSettings> =
        serde_json::from_value(serde_json::json!([{ "id": GOOD.to_checksum(None), "active": false }])).unwrap();
    let others = serde_json::from_str("{}").unwrap();
    let standings: &dyn Standings = &ListedStandings::new(&inactive, Some(others)).unwrap();
    for (id, proven) in [(GOOD.to_string(), false), ("zz".to_owned(), false), ("zz".to_owned(), true)] {
        let is_active = async |sender| {
            let standing = standings.of_request(&id.parse().unwrap(), proto_address(sender), proven).await;
            standing.unwrap().unwrap().active
        };
        assert!(!is_active(GOOD).await, "{id} {proven}");
        assert!(is_active(BAD).await, "{id} {proven}");
    }
}

#[test]
fn an_address_in_two_spellings_is_listed_twice() {
    let twice = [GOOD.to_checksum(None), GOOD.to_string().to_uppercase()].map(|id| serde_json::json!({ "id": id }));
    let twice: Vec<AccountSettings> = twice.into_iter().map(|id| serde_json::from_value(id).unwrap()).collect();
    ListedStandings::new(&twice, None).unwrap_err();
}
