//! Everything known before the touch is refused before the touch: `pm_getSponsorshipIntent` and
//! `pm_getPaymasterStubData` give the reason that the approved request would get.

mod secrets;
mod sponsored;
mod stubs;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use alloy_primitives::{Address, Bytes, keccak256};
use alloy_provider::Provider as _;
use alloy_sol_types::SolValue as _;
use devkit::Call;
use devkit::EntryPointVersion::{self, V07, V08};
use devkit::user_operation::Draft;
use proto::{Permissions, Status};
use serde_json::{Value, json};

use crate::discover::document;
use crate::support::{ACCOUNT, Dapp, Fault, Node, World};

/// An address without a contract.
const NOBODY: Address = Address::repeat_byte(0xab);
/// The account factory on every chain of these tests.
const FACTORY: &str = "0x91E60e0613810449d098b0b5Ec8b51A0FE8c8985";

/// Reasons covered by other preview tests, in the files of [`OTHER_TESTS`].
const ELSEWHERE: [(&str, &str); 25] = [
    ("call_not_of_account", "a_function_of_another_kind_of_account_is_refused"),
    ("account_code_unknown", "where_the_node_does_not_simulate_a_new_account_is_refused_and_a_deployed_one_is_not"),
    ("account_reservations_exceeded", "before_the_touch_nothing_is_told_of_how_an_account_was_used_but_the_reason"),
    ("account_unknown", "an_unknown_account_is_refused_everywhere"),
    ("api_key_reservations_exceeded", "an_api_key_is_charged_for_whatever_it_presents"),
    ("bundler_unavailable", "while_no_bundler_simulates_a_policy_that_wants_it_sponsors_nothing"),
    ("chain_mismatch", "a_request_means_the_chain_of_its_path_or_the_one_it_names"),
    ("chain_missing", "a_request_means_the_chain_of_its_path_or_the_one_it_names"),
    ("chain_unavailable", "a_chain_that_does_not_answer_in_time_is_a_refusal_before_the_touch"),
    ("claims_unavailable", "while_no_request_can_be_claimed_nobody_is_asked_to_approve_one"),
    ("factory_not_run", "a_chain_that_does_not_answer_in_time_is_a_refusal_before_the_touch"),
    ("paymaster_replaced", "a_signature_of_a_replaced_paymaster_stands_until_its_window_is_over_and_is_not_renewed"),
    ("policy_conflict", "the_intent_knows_what_is_reserved_and_tells_nobody_of_an_accounts_idempotency_keys"),
    ("policy_disabled", "a_disabled_policy_is_refused_by_name_and_as_the_default_until_it_is_enabled"),
    ("policy_limit_reached", "an_account_over_its_daily_limit_is_told_limit_use_and_reset_and_passes_the_next_day"),
    ("policy_not_allowed", "a_key_chooses_among_its_policies_and_the_first_is_its_default"),
    ("price_unavailable", "without_a_current_price_nothing_is_sponsored_and_nobody_is_asked"),
    ("refusal_limit_reached", "before_the_touch_nothing_is_told_of_how_an_account_was_used_but_the_reason"),
    ("signing_limit_reached", "a_needed_new_signature_is_checked_against_the_limit_before_the_touch"),
    ("simulation_failed", "what_fails_in_the_bundlers_simulation_is_refused_before_the_touch_and_before_it_is_signed"),
    ("unproven_reservations_exceeded", "a_stub_without_a_passkey_is_refused_over_each_limit_of_what_is_unproven"),
    ("verification_gas_missing", "a_stub_may_leave_gas_and_fees_open"),
    ("webhook_denied", "what_a_webhook_denies_is_refused_before_the_touch_and_before_it_is_signed"),
    ("webhook_unavailable", "while_a_webhook_gives_no_valid_answer_its_policy_sponsors_nothing"),
    ("without_passkey_not_permitted", "a_stub_without_a_passkey_needs_the_relays_permission_as_the_data_does"),
];

const OTHER_TESTS: [&str; 15] = [
    include_str!("account_code.rs"),
    include_str!("preview.rs"),
    include_str!("preview/secrets.rs"),
    include_str!("preview/sponsored.rs"),
    include_str!("preview/stubs.rs"),
    include_str!("refusals.rs"),
    include_str!("unproven.rs"),
    include_str!("idempotency.rs"),
    include_str!("api_keys.rs"),
    include_str!("chains.rs"),
    include_str!("simulation.rs"),
    include_str!("policy_changes.rs"),
    include_str!("webhooks.rs"),
    include_str!("spending.rs"),
    include_str!("prices.rs"),
];

/// Reasons of the relay that no preview gives here, with the explanation.
const EXCEPTED: [(&str, &str); 8] = [
    ("account_needs_passkey", "the passkey is what was left out"),
    ("entropy_unavailable", "an approval's nonce is drawn when the TEE is asked to sign"),
    ("idempotency_conflict", "anybody may ask for any account, and is not told of its keys (docs/api.md)"),
    ("kms_reply_invalid", "the TEE is asked for no signature before"),
    ("passkey_missing", "of the approval; a stub that nobody can approve is refused for it too"),
    ("request_in_flight", "nothing is claimed before"),
    ("store_unavailable", "the claims, which this database has too, are asked first: `claims_unavailable`"),
    ("validity_too_short", "an intent has no window; every ERC-7677 method reads `validForSeconds` alike"),
];

/// Refusals of the port, which are the same for all methods.
const OF_ANY_CALL: [&str; 10] = [
    "api_key_expired",
    "batch_too_large",
    "internal",
    "origin_not_allowed",
    "quota_exhausted",
    "rate_limited",
    "request_timeout",
    "response_too_large",
    "scope_missing",
    "unauthorised",
];

/// A change made before the request; it may return another operation.
type Change = for<'a> fn(&'a World, &'a Dapp, Draft) -> Pin<Box<dyn Future<Output = Draft> + 'a>>;

/// A refusal that is known before the touch.
struct Case {
    reason: &'static str,
    version: EntryPointVersion,
    settings: fn(&mut Value),
    change: Change,
    /// A change of the operation's JSON.
    edit: fn(&World, &mut Value),
    options: Value,
}

impl Case {
    fn new(reason: &'static str) -> Self {
        let change: Change = |_, _, draft| Box::pin(async move { draft });
        Self { reason, version: V07, settings: |_| {}, change, edit: |_, _| {}, options: Value::Null }
    }

    fn op(reason: &'static str, change: Change) -> Self {
        Self { change, ..Self::new(reason) }
    }

    fn settings(reason: &'static str, settings: fn(&mut Value)) -> Self {
        Self { settings, ..Self::new(reason) }
    }

    fn edit(reason: &'static str, edit: fn(&World, &mut Value)) -> Self {
        Self { edit, ..Self::new(reason) }
    }

    fn options(reason: &'static str, options: Value) -> Self {
        Self { options, ..Self::new(reason) }
    }
}

/// Sets the code at an address.
async fn set_code(world: &World, address: Address, code: &str) {
    let _: Value = world.anvil.provider().raw_request("anvil_setCode".into(), (address, code)).await.unwrap();
}

/// Adds paymaster fields, as echoed by a client.
fn echo(op: &mut Value, paymaster: Address, verification: &str, post_op: &str) {
    op["paymaster"] = json!(paymaster);
    op["paymasterVerificationGasLimit"] = json!(verification);
    op["paymasterPostOpGasLimit"] = json!(post_op);
}

fn cases() -> Vec<Case> {
    vec![
        Case::op("account_nonce_invalid", |_, _, draft| {
            Box::pin(async move { Draft { nonce: alloy_primitives::U256::from(5), ..draft } })
        }),
        Case::op("account_not_deployed", |_, _, draft| Box::pin(async move { Draft { deploy: None, ..draft } })),
        Case::op("factory_data_missing", |_, _, draft| {
            Box::pin(async move {
                let factory = draft.deploy.as_ref().unwrap().0;
                Draft { deploy: Some((factory, Bytes::new())), ..draft }
            })
        }),
        Case::op("account_creation_failed", |_, _, draft| {
            Box::pin(async move {
                let data = draft.deploy.as_ref().unwrap().1.clone();
                Draft { deploy: Some((NOBODY, data)), ..draft }
            })
        }),
        Case::op("sender_not_from_factory", |_, _, draft| Box::pin(async move { Draft { sender: NOBODY, ..draft } })),
        Case::op("fee_too_low", |_, _, draft| {
            Box::pin(async move { Draft { max_fee_per_gas: 1, max_priority_fee_per_gas: 0, ..draft } })
        }),
        Case::op("cost_above_policy", |_, _, draft| {
            Box::pin(async move { Draft { max_fee_per_gas: 1_000_000_000_000, ..draft } })
        }),
        Case::op("paymaster_paused", |world, _, draft| {
            Box::pin(async move {
                world.paymaster.pause().await.unwrap();
                draft
            })
        }),
        Case::op("chain_idle", |world, _, draft| {
            Box::pin(async move {
                world.clock.advance(3700);
                draft
            })
        }),
        Case::op("clock_skewed", |world, _, draft| {
            Box::pin(async move {
                world.anvil.increase_time(4000).await.unwrap();
                world.anvil.mine(1).await.unwrap();
                draft
            })
        }),
        Case::op("kms_unavailable", |world, _, draft| {
            Box::pin(async move {
                world.tee.down.store(true, Ordering::SeqCst);
                draft
            })
        }),
        Case::op("signer_not_authorised", |world, _, draft| {
            Box::pin(async move {
                world.tee.revoke(world.relay_key.address().await);
                draft
            })
        }),
        Case::op("permission_missing", |world, _, draft| {
            Box::pin(async move {
                let key = world.relay_key.address().await;
                world.tee.revoke(key);
                world.tee.authorise(key, Permissions::ROTATE);
                draft
            })
        }),
        Case::op("cost_above_ceiling", |world, _, draft| {
            Box::pin(async move {
                world.tee.change_ceilings(|ceilings| ceilings.max_cost = proto::Wei(1_000_000));
                draft
            })
        }),
        Case::op("allowance_exhausted", |world, _, draft| {
            Box::pin(async move {
                world.tee.set_allowance(world.allowed_deployment(), 1_000_000);
                draft
            })
        }),
        Case::op("window_too_wide", |world, _, draft| {
            Box::pin(async move {
                world.tee.change_ceilings(|ceilings| ceilings.max_window = 300);
                draft
            })
        }),
        Case::op("deployment_not_allowed", |world, _, draft| {
            Box::pin(async move {
                world.tee.change_ceilings(|ceilings| {
                    let mut deployments = ceilings.deployments.to_vec();
                    deployments[0].paymaster = proto::Address([7; 20]);
                    ceilings.deployments = proto::bytes::BoundedList::new(deployments).unwrap();
                });
                draft
            })
        }),
        Case::settings("paymaster_deposit_too_low", |settings| {
            settings["policies"][0]["max_cost_per_operation"] = json!((10u128.pow(19)).to_string());
            settings["reservations"] = json!({ "max_percent_per_account": 100 });
        })
        .with(|world, _, draft| {
            Box::pin(async move {
                // The TEE's refusals come first.
                world.tee.change_ceilings(|ceilings| ceilings.max_cost = proto::Wei(10u128.pow(19)));
                Draft { max_fee_per_gas: 2_000_000_000_000, ..draft }
            })
        }),
        Case::settings("account_inactive", |settings| settings["default_account"] = json!({ "active": false })),
        Case::settings("account_unlisted", |settings| settings["default_account"] = Value::Null),
        Case::settings("balance_too_low", |settings| settings["policies"][0]["min_balance"] = json!(1)),
        Case::settings("membership_too_low", |settings| settings["policies"][0]["min_membership"] = json!("basic")),
        Case::settings("sender_not_allowed", |settings| settings["policies"][0]["senders"] = json!([NOBODY])),
        Case::settings("sender_blocked", |settings| settings["policies"][0]["blocked_senders"] = json!([NOBODY]))
            .with(|_, _, draft| Box::pin(async move { Draft { sender: NOBODY, ..draft } })),
        Case::settings("entry_point_version_not_allowed", |settings| {
            settings["policies"][0]["entry_point_versions"] = json!(["0.6"]);
        }),
        Case::settings("policy_not_started", |settings| {
            settings["policies"][0]["not_before"] = json!("9999-01-01T00:00:00Z");
        }),
        Case::settings("policy_ended", |settings| {
            settings["policies"][0]["not_after"] = json!("2020-01-01T00:00:00Z");
        }),
        Case::settings("policy_origin_not_allowed", |settings| {
            settings["policies"][0]["origins"] = json!(["https://dapp.example"]);
        }),
        Case::settings("policy_api_key_not_allowed", |settings| {
            settings["policies"][0]["api_keys"] = json!(["0011223344556677"]);
        }),
        Case::settings("call_gas_above_policy", |settings| settings["policies"][0]["max_call_gas"] = json!(1)),
        Case::settings("verification_gas_above_policy", |settings| {
            settings["policies"][0]["max_verification_gas"] = json!(1);
        }),
        Case::settings("pre_verification_gas_above_policy", |settings| {
            settings["policies"][0]["max_pre_verification_gas"] = json!(1);
        }),
        Case::settings("pre_verification_gas_above_cost", |settings| {
            settings["policies"][0]["max_pre_verification_percent"] = json!(100);
        })
        .edited(|_, op| op["preVerificationGas"] = json!("0x30d40")),
        Case::settings("gas_above_policy", |settings| settings["policies"][0]["max_gas_per_operation"] = json!(1)),
        Case::settings("fee_above_policy", |settings| settings["policies"][0]["max_fee_per_gas"] = json!(1)),
        Case::settings("priority_fee_above_policy", |settings| {
            settings["policies"][0]["max_priority_fee_per_gas"] = json!(1);
        }),
        Case::settings("fee_above_market", |settings| settings["policies"][0]["max_fee_percent"] = json!(100))
            .with(|_, _, draft| Box::pin(async move { Draft { max_fee_per_gas: 20_000_000_000, ..draft } })),
        Case::settings("priority_fee_above_market", |settings| {
            settings["policies"][0]["max_priority_fee_percent"] = json!(100);
        })
        .with(|_, _, draft| {
            let fees = (20_000_000_000, 20_000_000_000);
            Box::pin(async move { Draft { max_fee_per_gas: fees.0, max_priority_fee_per_gas: fees.1, ..draft } })
        }),
        Case::settings("factory_not_allowed", |settings| settings["policies"][0]["factories"] = json!([NOBODY])),
        Case::settings("target_not_allowed", |settings| {
            settings["policies"][0]["targets"] = json!([{ "address": NOBODY }]);
            settings["policies"][0]["factories"] = json!([FACTORY]);
        }),
        Case::settings("function_not_allowed", |settings| {
            let target = Address::repeat_byte(1);
            settings["policies"][0]["targets"] = json!([{ "address": target, "selectors": ["0xa9059cbb"] }]);
            settings["policies"][0]["factories"] = json!([FACTORY]);
        }),
        Case::settings("argument_not_allowed", |settings| {
            let conditions = json!([{ "argument": 0, "equal": 7 }]);
            let functions = json!([{ "signature": "set(uint256)", "conditions": conditions }]);
            settings["policies"][0]["targets"] =
                json!([{ "address": Address::repeat_byte(1), "functions": functions }]);
            settings["policies"][0]["factories"] = json!([FACTORY]);
        })
        .with(|_, _, draft| {
            let arguments = alloy_primitives::U256::from(8).to_be_bytes::<32>();
            let data = [&keccak256("set(uint256)")[..4], &arguments].concat().into();
            let call = Call { target: Address::repeat_byte(1), value: alloy_primitives::U256::ZERO, data };
            Box::pin(async move { Draft { call_data: devkit::execute(&call), ..draft } })
        }),
        Case::settings("delegatecall_not_allowed", |settings| {
            settings["policies"][0]["targets"] = json!([{ "address": Address::repeat_byte(1) }]);
            settings["policies"][0]["factories"] = json!([FACTORY]);
        })
        .with(|_, _, draft| {
            // Kernel v2's `executeDelegateCall(address,bytes)`.
            let (to, data) = (Address::repeat_byte(1), Bytes::new());
            let arguments = (to, data).abi_encode_params();
            let call_data = [&keccak256("executeDelegateCall(address,bytes)")[..4], &arguments].concat();
            Box::pin(async move { Draft { call_data: call_data.into(), ..draft } })
        }),
        Case::settings("account_code_not_allowed", |settings| {
            settings["policies"][0]["targets"] = json!([{ "address": Address::repeat_byte(1) }]);
        })
        .with(|world, _, draft| {
            Box::pin(async move {
                set_code(world, draft.sender, "0x60006000fd").await;
                Draft { deploy: None, ..draft }
            })
        }),
        Case::settings("call_not_understood", |settings| {
            settings["policies"][0]["targets"] = json!([{ "address": NOBODY }]);
            settings["policies"][0]["factories"] = json!([FACTORY]);
        })
        .with(|_, _, draft| Box::pin(async move { Draft { call_data: Bytes::from_static(&[1, 2, 3, 4]), ..draft } })),
        Case::op("account_already_deployed", |world, _, draft| {
            Box::pin(async move {
                set_code(world, draft.sender, "0x00").await;
                draft
            })
        }),
        Case {
            version: V08,
            edit: |world, op| {
                op.as_object_mut().unwrap().remove("factoryData");
                op["sender"] = json!(world.chain.entry_point.address());
                op["factory"] = json!("0x7702");
                op["eip7702Auth"] = json!({
                    "address": world.chain.delegate.unwrap(),
                    "chainId": "0x7a69",
                    "nonce": "0x0",
                    "r": format!("0x{}", "11".repeat(32)),
                    "s": format!("0x{}", "22".repeat(32)),
                    "yParity": "0x0",
                });
            },
            ..Case::new("sender_cannot_delegate")
        },
        Case::edit("paymaster_not_ours", |_, op| echo(op, NOBODY, "0x0", "0x0")),
        Case::edit("post_op_gas_not_needed", |world, op| echo(op, world.paymaster.address(), "0xea60", "0x1")),
        Case::edit("paymaster_gas_out_of_range", |world, op| echo(op, world.paymaster.address(), "0x1", "0x0")),
        Case::op("paymaster_signer_not_admitted", |world, _, draft| {
            Box::pin(async move {
                let signer = Address::new(world.tee.paymaster_signer().0);
                world.paymaster.remove_signer(signer).await.unwrap();
                draft
            })
        }),
        Case::op("contract_mismatch", |world, _, draft| {
            Box::pin(async move {
                set_code(world, world.paymaster.address(), "0x00").await;
                draft
            })
        }),
        Case::options("entry_point_not_supported", json!({ "entryPoint": NOBODY })),
        Case::options("invalid_field", json!({ "policyID": "x" })),
        Case::options("unknown_policy", json!({ "policyId": "gold" })),
        Case::options("wrong_chain", json!({ "chainId": "0x1" })),
    ]
}

impl Case {
    fn with(self, change: Change) -> Self {
        Self { change, ..self }
    }

    fn edited(self, edit: fn(&World, &mut Value)) -> Self {
        Self { edit, ..self }
    }
}

#[tokio::test]
async fn the_intent_is_refused_for_whatever_the_approved_request_would_be_refused_for() {
    for case in cases() {
        let world = World::with(case.version, 10u128.pow(18), case.settings).await;
        let mut dapp = world.dapp(ACCOUNT).await;
        let draft = dapp.draft(0, dapp.call_data(Address::repeat_byte(1)));
        let mut op = (case.change)(&world, &dapp, draft).await.to_json(case.version);
        (case.edit)(&world, &mut op);

        let intent = json!([op, ACCOUNT, case.options]);
        let before = world.client.call("pm_getSponsorshipIntent", intent).await.unwrap_err();
        let passkey = world.approval(&mut dapp, &op).await;
        let params = json!([op, ACCOUNT, passkey, case.options]);
        let after = world.client.call("pm_sponsor_with_tee", params).await.unwrap_err();

        assert_eq!((before.reason(), after.reason()), (case.reason, case.reason), "{before:?} {after:?}");
        // The holder of the passkey is told the account's standing.
        let message = after.message.replace("is 0 wei, below", "is below").replace("is none, below", "is below");
        assert_eq!((before.code, before.message), (after.code, message));
        for name in ["retryable", "field", "rule", "limit", "expected", "clock"] {
            assert_eq!(before.data[name], after.data[name], "{}: {name}", case.reason);
        }
        assert_eq!(world.reserved().await, 0, "{}", case.reason);

        if case.options.is_null() {
            let context = json!({ "accountId": ACCOUNT });
            let params = json!([op, world.entry_point(), "0x7a69", context]);
            let stub = world.client.call("pm_getPaymasterStubData", params).await.unwrap_err();
            assert_eq!(stub.reason(), case.reason);
        }
    }
}

/// Every refusal of the approved request, by the relay's own list, is given before the touch, or
/// there is a reason why it cannot be.
#[tokio::test]
async fn every_reason_of_a_sponsorship_is_told_before_the_touch_or_about_what_comes_after() {
    let world = World::new(V07).await;
    let document = document(&world).await;
    let methods = document["methods"].as_array().unwrap();
    let sponsor = methods.iter().find(|method| method["name"] == "pm_sponsor_with_tee").unwrap();
    let reason = |error: &Value| {
        let error = document.pointer(&error["$ref"].as_str().unwrap()[1..]).unwrap();
        error["data"]["reason"].as_str().unwrap().to_owned()
    };
    let all: BTreeSet<String> = sponsor["errors"].as_array().unwrap().iter().map(reason).collect();

    let mut told: Vec<&str> = cases().iter().map(|case| case.reason).collect();
    for (reason, test) in ELSEWHERE {
        let name = format!("async fn {test}()");
        assert!(OTHER_TESTS.iter().any(|file| file.contains(&name)), "{reason}: there is no test {test}");
        told.push(reason);
    }
    told.extend(OF_ANY_CALL);
    told.extend(EXCEPTED.map(|(reason, _)| reason));
    for reason in &told {
        assert!(all.contains(*reason), "{reason} is no reason of a sponsorship");
        assert_eq!(told.iter().filter(|other| other == &reason).count(), 1, "{reason} is listed more than once");
    }
    let by_the_tee_later = |reason: &str| Status::from_reason(reason).is_some_and(is_decided_later);
    let missing: Vec<_> =
        all.iter().filter(|reason| !told.contains(&reason.as_str()) && !by_the_tee_later(reason)).collect();
    assert!(missing.is_empty(), "neither told before the touch nor excepted: {missing:?}");
}

/// Refusals of the trusted application that come after the touch, or that no sponsorship gets.
fn is_decided_later(status: Status) -> bool {
    match status.code() {
        // About frames, which the gateway builds.
        1..=5 => true,
        // Then there are no accounts.
        10 => true,
        // About other commands: provisioning, administration, rotation, messages, accounts.
        11 | 20..=23 | 33..=38 | 44 | 47 | 53..=55 | 61..=65 => true,
        // About data that the relay adds after the touch: its approval, and the fields of its terms
        // and paymaster.
        30 | 42 | 45 | 50..=52 => true,
        // About the passkey's assertion.
        70..=89 => true,
        // Failures of the TEE when it is asked to sign.
        90..=96 => true,
        _ => false,
    }
}

#[tokio::test]
async fn a_chain_that_does_not_answer_in_time_is_a_refusal_before_the_touch() {
    /// The selector of `getSenderAddress`, which runs a factory.
    const RUNS_A_FACTORY: &str = "9b249f69";
    for (fault, reason) in [
        (Fault::Slow(RUNS_A_FACTORY, Duration::from_secs(300)), "factory_not_run"),
        (Fault::Answers("503 Service Unavailable", ""), "chain_unavailable"),
    ] {
        let mut node = None;
        let world = World::with(V07, 10u128.pow(18), |settings| {
            node = Some(Node::within(settings));
            settings["chain"]["timeout_seconds"] = json!(1);
        })
        .await;
        let dapp = world.dapp(ACCOUNT).await;
        let op = dapp.first_op(0);
        node.unwrap().fail(fault);
        let stub = json!([op, world.entry_point(), "0x7a69", { "accountId": ACCOUNT }]);
        for (method, params) in [("pm_getSponsorshipIntent", json!([op, ACCOUNT])), ("pm_getPaymasterStubData", stub)] {
            let refusal = world.client.call(method, params).await.unwrap_err();
            assert_eq!(refusal.reason(), reason, "{method}");
        }
    }
}

#[tokio::test]
async fn while_no_request_can_be_claimed_nobody_is_asked_to_approve_one() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let (sponsored, new) = (dapp.first_op(0), dapp.first_op(1));
    world.sponsor(&mut dapp, &sponsored).await.unwrap();
    let (file, away) = (world.dir.path().join("relay.db"), world.dir.path().join("away"));
    std::fs::rename(&file, &away).unwrap();
    for op in [&sponsored, &new] {
        let stub = json!([op, world.entry_point(), "0x7a69", { "accountId": ACCOUNT }]);
        for (method, params) in [("pm_getSponsorshipIntent", json!([op, ACCOUNT])), ("pm_getPaymasterStubData", stub)] {
            let refusal = world.client.call(method, params).await.unwrap_err();
            refusal.assert_is(-32603, "claims_unavailable", true);
        }
    }
    assert!(world.problem("claims").await.unwrap().contains("moved or removed"));
    std::fs::rename(&away, &file).unwrap();
    for op in [&sponsored, &new] {
        world.intent(&dapp, op).await;
    }
}

#[tokio::test]
async fn a_preview_writes_nothing_to_the_disk() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    world.sponsor(&mut dapp, &op).await.unwrap();
    let log = world.dir.path().join("relay.db-wal");
    let written = || std::fs::read(&log).unwrap();
    let before = written();
    for op in [&op, &dapp.first_op(1)] {
        world.intent(&dapp, op).await;
        let stub = json!([op, world.entry_point(), "0x7a69", { "accountId": ACCOUNT }]);
        world.client.call("pm_getPaymasterStubData", stub).await.unwrap();
    }
    assert!(written() == before, "something was written");
}
