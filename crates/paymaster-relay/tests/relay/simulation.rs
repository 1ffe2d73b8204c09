//! Policies that have a bundler simulate operations: what it is asked, and what its answer decides.

use std::time::Duration;

use devkit::EntryPointVersion::{self, V06, V07, V08, V09};
use devkit::eventually;
use devkit::user_operation::Draft;
use proto::json::{GasFields, parse_user_operation};
use proto::{UserOperation, bytes::Bounded};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{ACCOUNT, Bundler, Dapp, Refusal, Says, World, nowhere};

const ETHER: u128 = 10u128.pow(18);
const ESTIMATE: &str = "eth_estimateUserOperationGas";
const INTENT: &str = "pm_getSponsorshipIntent";
const SPONSOR: &str = "pm_sponsor_with_tee";
const STUB: &str = "pm_getPaymasterStubData";
const GAS: &str = r#"{"callGasLimit":"0x1","verificationGasLimit":"0x1","preVerificationGas":"0x1"}"#;
const REVERTED: &str = r#"{"code":-32521,"message":"reverted: 0x08c379a0","data":{"b":1,"a":["0x"]}}"#;

/// A relay whose default policy simulates operations, and `trusting` does not.
async fn world_at(version: EntryPointVersion, url: &str) -> World {
    let bundler = json!({ "urls": [url], "timeout_seconds": 1 });
    World::with(version, ETHER, |settings| {
        let mut trusting = settings["policies"][0].clone();
        trusting["id"] = "trusting".into();
        settings["policies"][0]["simulate"] = true.into();
        settings["policies"].as_array_mut().unwrap().push(trusting);
        settings["bundler"] = bundler;
    })
    .await
}

async fn world(version: EntryPointVersion) -> (World, Bundler) {
    let bundler = Bundler::start();
    let world = world_at(version, bundler.url()).await;
    bundler.answers_to(ESTIMATE, Says::Result(GAS.to_owned()));
    (world, bundler)
}

fn estimates(bundler: &Bundler) -> Vec<Value> {
    bundler.asked().into_iter().filter(|call| call["method"] == ESTIMATE).collect()
}

async fn sponsor(world: &World, dapp: &mut Dapp, op: &Value, options: Value) -> Result<Value, Refusal> {
    let passkey = world.approval(dapp, op).await;
    world.client.call(SPONSOR, json!([op, ACCOUNT, passkey, options])).await
}

fn parsed(op: &Value, version: EntryPointVersion) -> UserOperation {
    parse_user_operation(op, version.to_string().parse().unwrap(), 31337, GasFields::Required).unwrap().op
}

/// With zeros for the paymaster's signature.
fn without_signature(mut op: UserOperation) -> UserOperation {
    let paymaster = op.paymaster.as_mut().unwrap();
    match paymaster.signature.as_mut() {
        Some(signature) => *signature = Bounded::new(vec![0; signature.len()]).unwrap(),
        None => {
            let mut data = paymaster.data.to_vec();
            let window = data.len() - 65;
            data[window..].fill(0);
            paymaster.data = Bounded::new(data).unwrap();
        }
    }
    op
}

async fn what_is_simulated_is_what_is_signed(version: EntryPointVersion) {
    let (world, bundler) = world(version).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let mut op = dapp.first_op(0);
    for signature in ["0x1234", "0x"] {
        op["signature"] = signature.into();
        world.intent(&dapp, &op).await;
        let answer = sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap();

        let asked = estimates(&bundler);
        for call in &asked {
            assert_eq!(call["params"][1], world.entry_point());
            let simulated = &call["params"][0];
            let signed = without_signature(parsed(&answer["userOperation"], version));
            assert_eq!(without_signature(parsed(simulated, version)), signed);
        }
        // The client's own, or one that has a signer; the second time the answer is the stored one.
        let simulated = asked.last().unwrap()["params"][0]["signature"].as_str().unwrap().to_owned();
        assert_eq!((asked.len(), simulated), (2, "0x1234".to_owned()));
    }
    let mut unsigned = dapp.first_op(1);
    unsigned["signature"] = "0x".into();
    world.intent(&dapp, &unsigned).await;
    let simulated = &estimates(&bundler)[2]["params"][0]["signature"];
    assert_eq!(simulated.as_str().map(str::len), Some(2 + 2 * 65), "{simulated}");
}

#[tokio::test]
async fn what_is_simulated_on_v06_is_what_is_signed_but_for_the_signatures() {
    what_is_simulated_is_what_is_signed(V06).await;
}

#[tokio::test]
async fn what_is_simulated_on_v07_is_what_is_signed_but_for_the_signatures() {
    what_is_simulated_is_what_is_signed(V07).await;
}

#[tokio::test]
async fn what_is_simulated_on_v09_is_what_is_signed_but_for_the_signatures() {
    what_is_simulated_is_what_is_signed(V09).await;
}

#[tokio::test]
async fn an_authorisation_of_eip_7702_is_simulated_as_it_came() {
    let (world, bundler) = world(V08).await;
    let dapp = world.dapp(ACCOUNT).await;
    let mut op = Draft { deploy: None, ..dapp.draft(0, dapp.call_data(dapp.owner)) }.to_json(V08);
    op["sender"] = json!(alloy_primitives::Address::repeat_byte(0x77));
    op["factory"] = "0x7702".into();
    op["eip7702Auth"] = json!({
        "address": world.chain.delegate.unwrap(),
        "chainId": "0x7a69",
        "nonce": "0x0",
        "r": format!("0x{}", "11".repeat(32)),
        "s": format!("0x{}", "22".repeat(32)),
        "yParity": "0x0",
    });
    // With the factory `0x7702`, and without.
    for count in 1..=2 {
        world.client.call(INTENT, json!([op, ACCOUNT])).await.unwrap();
        let asked = estimates(&bundler);
        let simulated = &asked.last().unwrap()["params"][0];
        assert_eq!((asked.len(), &simulated["eip7702Auth"]), (count, &op["eip7702Auth"]));
        assert_eq!(simulated.get("factory"), op.get("factory"));
        op.as_object_mut().unwrap().remove("factory");
    }
}

#[tokio::test]
async fn what_fails_in_the_bundlers_simulation_is_refused_before_the_touch_and_before_it_is_signed() {
    let (world, bundler) = world(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    for error in
        [REVERTED, r#"{"code":-32500,"message":"AA23 reverted"}"#, r#"{"code":3,"message":"execution reverted"}"#]
    {
        bundler.answers_to(ESTIMATE, Says::Error(error.to_owned()));
        let before = world.client.call(INTENT, json!([op, ACCOUNT])).await.unwrap_err();
        let after = sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap_err();
        for refusal in [before, after] {
            refusal.assert_is(-32501, "simulation_failed", true);
            let own: Value = serde_json::from_str(error).unwrap();
            assert_eq!(refusal.data["bundler"], own);
            assert_eq!((&refusal.data["policyId"], &refusal.data["rule"]), (&json!("default"), &json!("simulate")));
            assert!(refusal.message.ends_with(own["message"].as_str().unwrap()), "{refusal:?}");
        }
    }
    assert_eq!((world.sponsorships(), world.reserved().await), (0, 0));

    // The state of the chain changed, and the same request passes.
    bundler.answers_to(ESTIMATE, Says::Result(GAS.to_owned()));
    let answer = sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap();
    assert!(world.chain.entry_point.handle_ops(&answer["userOperation"]).await.unwrap().success);
}

#[tokio::test]
async fn while_no_bundler_simulates_a_policy_that_wants_it_sponsors_nothing() {
    let (world, bundler) = world(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    for says in [
        Says::Error(r#"{"code":-32601,"message":"no such method"}"#.to_owned()),
        Says::Error(r#"{"code":-32603,"message":"the node is down"}"#.to_owned()),
        Says::Error(r#"{"code":-32005,"message":"over the rate"}"#.to_owned()),
        Says::Result("null".to_owned()),
        Says::Http("503 Service Unavailable", ""),
        Says::Nothing,
    ] {
        bundler.answers_to(ESTIMATE, says.clone());
        let before = world.client.call(INTENT, json!([op, ACCOUNT])).await.unwrap_err();
        let after = sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap_err();
        for refusal in [before, after] {
            assert_eq!((refusal.code, refusal.reason()), (-32603, "bundler_unavailable"), "{says:?}");
        }
        assert_eq!((world.sponsorships(), world.reserved().await), (0, 0), "{says:?}");
    }
    let without = world_at(V07, &nowhere()).await;
    let mut dapp = without.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let refusal = sponsor(&without, &mut dapp, &op, Value::Null).await.unwrap_err();
    refusal.assert_is(-32603, "bundler_unavailable", true);
    assert_eq!((without.sponsorships(), without.reserved().await), (0, 0));
    sponsor(&without, &mut dapp, &op, json!({ "policyId": "trusting" })).await.unwrap();
}

#[tokio::test]
async fn a_bundler_that_cannot_simulate_leaves_it_to_the_next_and_one_that_refuses_the_operation_does_not() {
    let (first, second) = (Bundler::start(), Bundler::start());
    let urls = json!({ "urls": [first.url(), second.url()], "timeout_seconds": 1 });
    let world = World::with(V07, ETHER, |settings| {
        settings["policies"][0]["simulate"] = true.into();
        settings["bundler"] = urls;
    })
    .await;
    let op = world.dapp(ACCOUNT).await.first_op(0);
    let says = |code: i32| Says::Error(json!({ "code": code, "message": "no" }).to_string());
    second.answers_to(ESTIMATE, Says::Result(GAS.to_owned()));
    let cannot = [
        says(-32601),
        says(-32603),
        says(-32005),
        Says::Result("null".to_owned()),
        Says::Http("429 Too Many Requests", ""),
        Says::Nothing,
    ];
    for says in cannot {
        first.answers_to(ESTIMATE, says);
        world.client.call(INTENT, json!([op, ACCOUNT])).await.unwrap();
    }
    let asked = estimates(&second).len();
    assert_eq!(asked, 6);

    first.answers_to(ESTIMATE, Says::Error(REVERTED.to_owned()));
    let refusal = world.client.call(INTENT, json!([op, ACCOUNT])).await.unwrap_err();
    assert_eq!((refusal.reason(), estimates(&second).len()), ("simulation_failed", asked));

    first.answers_to(ESTIMATE, says(-32005));
    second.answers_to(ESTIMATE, Says::Result("null".to_owned()));
    let refusal = world.client.call(INTENT, json!([op, ACCOUNT])).await.unwrap_err();
    assert_eq!(refusal.reason(), "bundler_unavailable");
}

#[tokio::test]
async fn a_caller_that_hangs_up_while_a_bundler_is_silent_leaves_nothing_reserved() {
    let (world, bundler) = world(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let passkey = world.approval(&mut dapp, &op).await;
    bundler.answers_to(ESTIMATE, Says::Nothing);
    let call = world.client.call(SPONSOR, json!([op, ACCOUNT, passkey]));
    timeout(Duration::from_millis(500), call).await.unwrap_err();
    assert!(world.reserved().await > 0, "what is being simulated is reserved");
    eventually(async || (world.reserved().await == 0).then_some(())).await;
    assert_eq!(world.sponsorships(), 0);

    bundler.answers_to(ESTIMATE, Says::Result(GAS.to_owned()));
    world.client.call(SPONSOR, json!([op, ACCOUNT, passkey])).await.unwrap();
}

#[tokio::test]
async fn the_longest_error_of_a_bundler_reaches_the_client_as_it_is() {
    let (world, bundler) = world(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let data = "ab".repeat(500_000);
    let error = json!({ "code": -32521, "message": "x".repeat(20_000), "data": data });
    bundler.answers_to(ESTIMATE, Says::Error(error.to_string()));
    let refusal = sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap_err();
    refusal.assert_is(-32501, "simulation_failed", true);
    assert_eq!(refusal.data["bundler"], error);
    assert!(refusal.message.len() < 1000);
    assert_eq!((world.sponsorships(), world.reserved().await), (0, 0));
}

#[tokio::test]
async fn a_signed_operation_stays_reserved_and_is_simulated_again_only_to_be_signed_again() {
    let (world, bundler) = world(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let first = sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap();
    let (asked, reserved) = (estimates(&bundler).len(), world.reserved().await);
    bundler.answers_to(ESTIMATE, Says::Error(REVERTED.to_owned()));

    world.intent(&dapp, &op).await;
    let second = sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap();
    assert_eq!(second["userOperation"], first["userOperation"]);
    assert_eq!(estimates(&bundler).len(), asked);

    // Its window is over.
    world.pass(660).await;
    let before = world.client.call(INTENT, json!([op, ACCOUNT])).await.unwrap_err();
    let after = sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap_err();
    assert_eq!((before.reason(), after.reason()), ("simulation_failed", "simulation_failed"));
    assert_eq!((world.sponsorships(), world.reserved().await), (1, reserved));
}

#[tokio::test]
async fn a_stub_is_simulated_only_once_its_gas_is_known() {
    let (world, bundler) = world(V07).await;
    let op = world.dapp(ACCOUNT).await.first_op(0);
    bundler.answers_to(ESTIMATE, Says::Error(REVERTED.to_owned()));
    let stub = |op: &Value| json!([op, world.entry_point(), "0x7a69", { "accountId": ACCOUNT }]);
    let fees = ["maxFeePerGas", "maxPriorityFeePerGas"];
    for open in [&["callGasLimit"][..], &["verificationGasLimit"], &["preVerificationGas"], &fees] {
        let mut draft = op.clone();
        draft.as_object_mut().unwrap().retain(|name, _| !open.contains(&name.as_str()));
        world.client.call(STUB, stub(&draft)).await.unwrap();
    }
    assert_eq!(estimates(&bundler), Vec::<Value>::new());
    world.client.call(STUB, stub(&op)).await.unwrap_err().assert_is(-32501, "simulation_failed", true);
}

#[tokio::test]
async fn a_policy_whose_simulation_fails_is_not_among_those_that_would_sponsor() {
    let bundler = Bundler::start();
    let urls = json!({ "urls": [bundler.url()] });
    let world = World::with(V07, ETHER, |settings| {
        let open = |id: &str, simulate: bool| {
            let cost = (ETHER / 10).to_string();
            json!({ "id": id, "max_cost_per_operation": cost, "allow_without_passkey": true, "simulate": simulate })
        };
        settings["policies"] = json!([open("careful", true), open("trusting", false)]);
        settings["bundler"] = urls;
    })
    .await;
    world.permit_without_passkey().await;
    let op = world.dapp(ACCOUNT).await.first_op(0);
    let params = json!([op, world.entry_point(), ["careful", "trusting"]]);
    for (says, expected) in [
        (Says::Result(GAS.to_owned()), vec!["careful", "trusting"]),
        (Says::Error(REVERTED.to_owned()), vec!["trusting"]),
    ] {
        bundler.answers_to(ESTIMATE, says);
        let valid = world.client.call("pm_validateSponsorshipPolicies", params.clone()).await.unwrap();
        let ids: Vec<_> =
            valid.as_array().unwrap().iter().map(|policy| policy["sponsorshipPolicyId"].clone()).collect();
        assert_eq!(ids, expected);
    }
}
