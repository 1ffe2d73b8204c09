//! What every rule would say of an operation, without a charge.

use alloy_primitives::Address;
use alloy_provider::Provider as _;
use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Bundler, Dapp, Says, World};

const ETHER: u128 = 10u128.pow(18);
const VALIDATE: &str = "pm_validateSponsorshipPolicies";

async fn dry_run(world: &World, dapp: &mut Dapp, op: &Value, is_approved: bool) -> Value {
    let passkey = if is_approved { world.approval(dapp, op).await } else { Value::Null };
    let params = json!([op, ACCOUNT, passkey, { "dryRun": true }]);
    let answer = world.client.call("pm_sponsor_with_tee", params).await.unwrap();
    assert_eq!((&answer["dryRun"], world.sponsorships()), (&json!(true), 0));
    assert_eq!(world.reserved().await, 0);
    answer
}

/// The rules with that outcome.
fn with(answer: &Value, outcome: &str) -> Vec<String> {
    let verdicts = answer["verdicts"].as_array().unwrap().iter().filter(|verdict| verdict["outcome"] == outcome);
    verdicts.map(|verdict| verdict["rule"].as_str().unwrap().to_owned()).collect()
}

fn of<'a>(answer: &'a Value, rule: &str) -> &'a Value {
    answer["verdicts"].as_array().unwrap().iter().find(|verdict| verdict["rule"] == rule).unwrap()
}

#[tokio::test]
async fn a_dry_run_has_every_rule_that_refuses_and_charges_nothing() {
    let world = World::with(V07, ETHER, |settings| {
        let policy = &mut settings["policies"][0];
        (policy["max_call_gas"], policy["min_balance"]) = (json!(1), json!(7));
        policy["max_priority_fee_percent"] = json!(100);
        policy["entry_point_versions"] = json!(["0.6"]);
    })
    .await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let mut op = dapp.first_op(0);
    (op["maxFeePerGas"], op["maxPriorityFeePerGas"]) = (json!("0x4a817c800"), json!("0x4a817c800"));
    let answer = dry_run(&world, &mut dapp, &op, false).await;
    assert_eq!((&answer["sponsors"], &answer["policyId"]), (&json!(false), &json!("default")));
    let refused = ["min_balance", "entry_point_versions", "max_call_gas", "max_priority_fee_percent"];
    assert_eq!(with(&answer, "refused"), refused, "{answer}");
    assert_eq!(with(&answer, "notEvaluated"), ["operation", "tee", "reservations"]);
    let gas = of(&answer, "max_call_gas");
    assert_eq!((&gas["reason"], &gas["limit"]), (&json!("call_gas_above_policy"), &json!("1")));
    assert_eq!(gas["used"], "150000");
    // Only the owner is told of the account's standing.
    assert_eq!((&of(&answer, "min_balance")["limit"], of(&answer, "min_balance").get("used")), (&json!("7"), None));
    let answer = dry_run(&world, &mut dapp, &op, true).await;
    assert_eq!(of(&answer, "min_balance")["used"], "0");
}

#[tokio::test]
async fn a_dry_run_of_what_is_sponsored_passes_everywhere() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    for is_approved in [false, true] {
        let answer = dry_run(&world, &mut dapp, &op, is_approved).await;
        assert_eq!(answer["sponsors"], true, "{answer}");
        assert_eq!((with(&answer, "refused").len(), with(&answer, "notEvaluated").len()), (0, 0));
        let passed = with(&answer, "passed");
        for rule in ["accounts", "max_cost_per_operation", "targets", "operation", "tee", "reservations"] {
            assert!(passed.iter().any(|name| name == rule), "{rule}: {passed:?}");
        }
    }
    world.sponsor(&mut dapp, &op).await.unwrap();
}

#[tokio::test]
async fn the_checks_of_every_policy_have_their_verdicts_too() {
    let world = World::with(V07, ETHER, |settings| {
        settings["policies"][0]["max_call_gas"] = json!(1);
        settings["reservations"]["max_wei_per_account"] = json!((ETHER / 10).to_string());
    })
    .await;
    let mut dapp = world.dapp(ACCOUNT).await;
    // Deployed, so that no factory has to run.
    let sender = dapp.sender;
    let _: Value = world.anvil.provider().raw_request("anvil_setCode".into(), (sender, "0x00")).await.unwrap();
    let mut op = dapp.first_op(0);
    op.as_object_mut().unwrap().retain(|name, _| !name.starts_with("factory"));
    world.tee.change_ceilings(|ceilings| ceilings.max_cost = proto::Wei(1));
    let answer = dry_run(&world, &mut dapp, &op, false).await;
    assert_eq!(with(&answer, "refused"), ["max_call_gas", "tee"], "{answer}");
    assert_eq!(of(&answer, "tee")["reason"], "cost_above_ceiling");
    assert_eq!(with(&answer, "notEvaluated"), Vec::<String>::new());

    op["nonce"] = json!("0x5");
    let answer = dry_run(&world, &mut dapp, &op, false).await;
    assert_eq!(with(&answer, "refused"), ["max_call_gas", "operation"], "{answer}");
    assert_eq!(of(&answer, "operation")["reason"], "account_nonce_invalid");
    assert_eq!(with(&answer, "notEvaluated"), ["tee", "reservations"]);
    assert!(of(&answer, "tee")["message"].is_string());
}

#[tokio::test]
async fn a_verdict_about_the_deposit_does_not_tell_it() {
    let world = World::with(V07, 1, |settings| {
        settings["reservations"] = json!({ "max_percent_per_account": 100 });
    })
    .await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let answer = dry_run(&world, &mut dapp, &op, true).await;
    let reservations = of(&answer, "reservations").as_object().unwrap();
    let names: Vec<_> = reservations.keys().map(String::as_str).collect();
    assert_eq!(reservations["reason"], "paymaster_deposit_too_low");
    assert!(names.iter().all(|name| ["rule", "outcome", "reason", "message"].contains(name)), "{names:?}");
}

#[tokio::test]
async fn an_outage_is_no_verdict() {
    let world = World::new(V07).await;
    let dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let _: Value =
        world.anvil.provider().raw_request("anvil_setCode".into(), (world.paymaster.address(), "0x00")).await.unwrap();
    let params = json!([op, ACCOUNT, null, { "dryRun": true }]);
    let refusal = world.client.call("pm_sponsor_with_tee", params).await.unwrap_err();
    refusal.assert_is(-32000, "contract_mismatch", false);
}

#[tokio::test]
async fn a_flag_that_is_none_and_a_dry_run_of_an_intent_are_refused_by_the_field() {
    let world = World::new(V07).await;
    let op = world.dapp(ACCOUNT).await.first_op(0);
    for (method, params, field) in [
        ("pm_sponsor_with_tee", json!([op, ACCOUNT, null, { "dryRun": 1 }]), "options.dryRun"),
        ("pm_getSponsorshipIntent", json!([op, ACCOUNT, { "dryRun": true }]), "options.dryRun"),
        (VALIDATE, json!([op, world.entry_point(), ["default"], { "verdicts": "yes" }]), "options.verdicts"),
        (VALIDATE, json!([op, world.entry_point(), ["default"], { "all": true }]), "options.all"),
    ] {
        let refusal = world.client.call(method, params).await.unwrap_err();
        refusal.assert_is(-32602, "invalid_field", false);
        assert_eq!(refusal.data["field"], field);
    }
}

#[tokio::test]
async fn every_policy_is_listed_with_the_verdicts_of_its_rules_on_request() {
    let bundler = Bundler::start();
    let urls = json!({ "urls": [bundler.url()] });
    let world = World::with(V07, ETHER, |settings| {
        let policy = |id: &str, more: Value| {
            let mut policy =
                json!({ "id": id, "max_cost_per_operation": "10000000000000000", "allow_without_passkey": true });
            policy.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            policy
        };
        settings["policies"] = json!([
            policy("open", json!({})),
            policy("strict", json!({ "senders": [Address::repeat_byte(9)], "simulate": true })),
            policy("simulated", json!({ "simulate": true })),
        ]);
        settings["bundler"] = urls;
    })
    .await;
    world.permit_without_passkey().await;
    bundler.answers(Says::Error(r#"{"code":-32521,"message":"execution reverted"}"#.to_owned()));
    let op = world.dapp(ACCOUNT).await.first_op(0);
    let params = json!([op, world.entry_point(), ["open", "strict", "simulated"], { "verdicts": true }]);
    let listed = world.client.call(VALIDATE, params).await.unwrap();
    let sponsors: Vec<_> = listed.as_array().unwrap().iter().map(|policy| policy["sponsors"].clone()).collect();
    assert_eq!(json!(sponsors), json!([true, false, false]), "{listed}");
    assert_eq!(with(&listed[0], "refused"), Vec::<String>::new());
    assert_eq!(with(&listed[1], "refused"), ["senders"]);
    assert_eq!(of(&listed[1], "simulate")["outcome"], "notEvaluated");
    assert_eq!(of(&listed[2], "simulate")["reason"], "simulation_failed");
    assert_eq!(bundler.asked().len(), 1, "only what passes everything else is simulated");
    // Pimlico's clients get what they know.
    let params = json!([op, world.entry_point(), ["open", "strict", "simulated"]]);
    let valid = world.client.call(VALIDATE, params).await.unwrap();
    assert_eq!(valid.as_array().unwrap().len(), 1);
    assert_eq!(valid[0].as_object().unwrap().keys().collect::<Vec<_>>(), ["sponsorshipPolicyId", "data"]);
}

#[tokio::test]
async fn what_a_rule_in_shadow_would_refuse_is_sponsored_and_counted_once() {
    let world = World::with(V07, ETHER, |settings| {
        let policy = &mut settings["policies"][0];
        (policy["max_call_gas"], policy["max_fee_percent"]) = (json!(1), json!(100));
        policy["shadow"] = json!(["max_call_gas", "max_fee_percent"]);
    })
    .await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let mut op = dapp.first_op(0);
    op["maxFeePerGas"] = json!("0x4a817c800");
    let counted = || {
        let text = prometheus::TextEncoder::new().encode_to_string(&world.registry.gather()).unwrap();
        let lines = text.lines().filter(|line| line.starts_with("relay_shadow_refusals_total{"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let answer = dry_run(&world, &mut dapp, &op, false).await;
    assert_eq!(answer["sponsors"], true);
    assert_eq!(with(&answer, "shadowed"), ["max_call_gas", "max_fee_percent"], "{answer}");
    assert_eq!(of(&answer, "max_call_gas")["reason"], "call_gas_above_policy");
    assert_eq!(counted(), Vec::<String>::new());
    for _ in 0..2 {
        world.sponsor(&mut dapp, &op).await.unwrap();
    }
    let once = ["call_gas_above_policy", "fee_above_market"]
        .map(|reason| format!("relay_shadow_refusals_total{{policy=\"default\",reason=\"{reason}\"}} 1"));
    assert_eq!(counted(), once);
}
