//! Policies that change while the relay runs.

use std::sync::Arc;

use devkit::EntryPointVersion::V07;
use devkit::eventually;
use paymaster_relay::catalogue::{Catalogue, Offer, PolicySet};
use paymaster_relay::clients::{KeyKind, NewApiKey, Origins};
use paymaster_relay::register::{Change, PolicyError, PolicyRegister, PolicyState, SqlitePolicies};
use paymaster_relay::settings::Settings;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::{ACCOUNT, Refusal, World};

const ETHER: u128 = 10u128.pow(18);
/// Less than any operation costs.
const TOO_LITTLE: &str = "1";

/// A world with the policies `default` and `other`.
async fn with_two() -> World {
    World::with(V07, ETHER, |settings| {
        settings["policies"] = json!([policy("default"), policy("other")]);
    })
    .await
}

fn policy(id: &str) -> Value {
    costing(id, &(ETHER / 10).to_string())
}

fn costing(id: &str, most: &str) -> Value {
    json!({ "id": id, "max_cost_per_operation": most })
}

fn by(author: &str) -> Change {
    Change { author: author.to_owned(), note: None, expected_version: None }
}

/// On top of the version that the author knows.
fn on(expected: u64) -> Change {
    Change { expected_version: Some(expected), ..by("uid 7") }
}

async fn stub(world: &World, op: &Value, context: Value) -> Result<Value, Refusal> {
    world.client.call("pm_getPaymasterStubData", json!([op, world.entry_point(), "0x7a69", context])).await
}

/// The reason of the refusal, or `sponsored`, for a request that names that policy.
async fn outcome(world: &World, op: &Value, policy: &str) -> String {
    let answer = stub(world, op, json!({ "accountId": ACCOUNT, "policyId": policy })).await;
    answer.map_or_else(|refusal| refusal.reason().to_owned(), |_| "sponsored".to_owned())
}

fn settings(world: &World) -> Settings {
    serde_json::from_value(world.settings.clone()).unwrap()
}

#[tokio::test]
async fn a_disabled_policy_is_refused_by_name_and_as_the_default_until_it_is_enabled() {
    let world = with_two().await;
    let op = world.dapp(ACCOUNT).await.first_op(0);
    let register = &world.relay.policies;
    register.set_state("default", PolicyState::Disabled, &by("uid 7")).await.unwrap();
    for context in [json!({ "accountId": ACCOUNT }), json!({ "accountId": ACCOUNT, "policyId": "default" })] {
        let refusal = stub(&world, &op, context).await.unwrap_err();
        refusal.assert_is(-32501, "policy_disabled", false);
        assert_eq!(refusal.data["policyId"], "default");
    }
    assert_eq!(outcome(&world, &op, "other").await, "sponsored");
    let params = json!([op, world.entry_point(), ["default"]]);
    assert_eq!(world.client.call("pm_validateSponsorshipPolicies", params).await.unwrap(), json!([]));

    // An older set does not replace a newer one.
    let (settings, live) = (settings(&world), world.relay.parts.catalogue.live_policies());
    let of_file = settings.policies.iter().cloned().map(Offer::enabled);
    live.replace(live.change(), PolicySet::new(&settings, of_file).unwrap());
    assert_eq!(outcome(&world, &op, "default").await, "policy_disabled");
    register.set_state("default", PolicyState::Enabled, &by("uid 7")).await.unwrap();
    stub(&world, &op, json!({ "accountId": ACCOUNT })).await.unwrap();
}

#[tokio::test]
async fn the_first_policy_of_a_key_is_refused_while_disabled_and_not_passed_over() {
    let world = with_two().await;
    let op = world.dapp(ACCOUNT).await.first_op(0);
    let new = NewApiKey {
        label: "shop".into(),
        kind: KeyKind::Server,
        scopes: Vec::new(),
        policies: vec!["other".into(), "default".into()],
        origins: Origins::default(),
        rate: None,
        quota: None,
        valid_for_seconds: None,
    };
    let (_, key) = world.api_keys.generate(new).await.unwrap();
    let key = secrecy::ExposeSecret::expose_secret(&key).to_owned();
    let ask = async || {
        let params = json!([op, world.entry_point(), "0x7a69", { "accountId": ACCOUNT }]);
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "pm_getPaymasterStubData", "params": params });
        let answer = world.client.post(body.to_string(), &[("x-api-key", &key)]).await;
        answer.json::<Value>().await.unwrap()
    };
    assert!(ask().await["result"].is_object());
    world.relay.policies.set_state("other", PolicyState::Disabled, &by("uid 7")).await.unwrap();
    assert_eq!(ask().await["error"]["data"]["reason"], "policy_disabled");
    // Unknown to callers, as one that was never there.
    world.relay.policies.set_state("other", PolicyState::Archived, &by("uid 7")).await.unwrap();
    assert!(ask().await["result"].is_object());
}

#[tokio::test]
async fn an_applied_policy_counts_for_the_next_request_and_is_rolled_back_by_a_new_version() {
    let world = with_two().await;
    let op = world.dapp(ACCOUNT).await.first_op(0);
    let register = &world.relay.policies;
    let applied = register.apply(&[costing("other", TOO_LITTLE)], false, None, &by("uid 7")).await.unwrap();
    assert_eq!((applied[0].version, applied[0].state), (2, PolicyState::Enabled));
    assert_eq!(outcome(&world, &op, "other").await, "cost_above_policy");
    // The same text again is no change.
    let again = register.apply(&[costing("other", TOO_LITTLE)], false, None, &by("uid 8")).await.unwrap();
    assert_eq!(again, applied);

    let rolled_back = register.roll_back("other", 1, &by("uid 9")).await.unwrap();
    assert_eq!(rolled_back.version, 3);
    assert_eq!(outcome(&world, &op, "other").await, "sponsored");
    let history = register.history("other").await.unwrap();
    let told: Vec<_> = history.iter().map(|version| (version.version, &*version.author)).collect();
    assert_eq!(told, [(1, "file"), (2, "uid 7"), (3, "uid 9")]);
    assert_eq!(history[0].policy, history[2].policy);
    assert_eq!(history[1].policy["max_cost_per_operation"], TOO_LITTLE);
    assert_eq!(history[2].note.as_deref(), Some("rolled back to version 1"));
    let problem = register.roll_back("other", 9, &by("uid 9")).await.unwrap_err();
    assert_eq!(problem.to_string(), "policy \"other\" has no version 9: it has 3");
}

#[tokio::test]
async fn a_new_policy_may_be_a_draft_which_callers_do_not_know_and_may_become_the_default() {
    let world = with_two().await;
    let op = world.dapp(ACCOUNT).await.first_op(0);
    let register = &world.relay.policies;
    register.apply(&[costing("new", TOO_LITTLE)], true, Some(-1), &by("uid 7")).await.unwrap();
    assert_eq!(outcome(&world, &op, "new").await, "unknown_policy");
    let problem = register.set_state("new", PolicyState::Disabled, &by("uid 7")).await.unwrap_err();
    assert_eq!(problem.to_string(), "policy \"new\" is draft, and cannot become disabled");
    let problem = register.apply(&[costing("other", "2")], true, None, &by("uid 7")).await.unwrap_err();
    assert_eq!(problem.to_string(), "policy \"other\" is enabled, and cannot become draft");
    register.set_state("new", PolicyState::Enabled, &by("uid 7")).await.unwrap();
    let default = stub(&world, &op, json!({ "accountId": ACCOUNT })).await.unwrap_err();
    default.assert_is(-32501, "cost_above_policy", false);
    assert_eq!(default.data["policyId"], "new");
    register.set_state("new", PolicyState::Archived, &by("uid 7")).await.unwrap();
    assert_eq!(outcome(&world, &op, "new").await, "unknown_policy");
    stub(&world, &op, json!({ "accountId": ACCOUNT })).await.unwrap();
}

#[tokio::test]
async fn a_set_with_one_bad_document_changes_nothing_and_the_key_is_named() {
    let world = with_two().await;
    let op = world.dapp(ACCOUNT).await.first_op(0);
    let register = &world.relay.policies;
    let before = register.list().await.unwrap();
    let mut unknown_key = policy("bad");
    unknown_key["targetz"] = json!([]);
    let mut other_chain = policy("bad");
    other_chain["chain_ids"] = json!([1]);
    let mut wrong_type = policy("bad");
    wrong_type["targets"] = json!([{ "address": "0x12" }]);
    for (bad, named) in [
        (unknown_key, "targetz"),
        (other_chain, "policies.chain_ids: 1 is not one of the chains"),
        (wrong_type, "targets[0].address"),
        (json!({ "id": "bad" }), "max_cost_per_operation"),
        (json!({ "max_cost_per_operation": 1 }), "id: expected 1 to 64"),
        (policy("a b"), "id: expected 1 to 64"),
        (json!([]), "id: expected 1 to 64"),
    ] {
        let documents = [costing("default", TOO_LITTLE), bad];
        let problem = register.apply(&documents, false, None, &by("uid 7")).await.unwrap_err().to_string();
        assert!(problem.contains(named), "{problem}");
    }
    let twice = [policy("twice"), costing("twice", "5")];
    assert!(register.apply(&twice, false, None, &by("uid 7")).await.is_err());
    let long = Change { note: Some("n".repeat(501)), ..by("uid 7") };
    let problem = register.apply(&[policy("new")], false, None, &long).await.unwrap_err();
    assert!(matches!(problem, PolicyError::NoteTooLong { most: 500 }), "{problem}");
    assert_eq!(register.list().await.unwrap(), before);
    assert_eq!(outcome(&world, &op, "default").await, "sponsored");
}

#[tokio::test]
async fn of_concurrent_changes_of_one_version_one_succeeds_and_none_is_lost() {
    let world = with_two().await;
    let mut changes = JoinSet::new();
    for number in 0..20 {
        let register = Arc::clone(&world.relay.policies);
        changes.spawn(async move {
            register.apply(&[costing("other", &format!("{}", 100 + number))], false, None, &on(1)).await
        });
    }
    let outcomes = changes.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for refused in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(refused.to_string(), "policy \"other\" is at version 2, not 1: look at it again");
    }
    let mut changes = JoinSet::new();
    for number in 0..20 {
        let register = Arc::clone(&world.relay.policies);
        let document = costing("other", &format!("{}", 200 + number));
        changes.spawn(async move { register.apply(&[document], false, None, &by("uid 7")).await });
    }
    assert!(changes.join_all().await.iter().all(Result::is_ok));
    let history = world.relay.policies.history("other").await.unwrap();
    assert_eq!(history.iter().map(|version| version.version).collect::<Vec<_>>(), (1..=22).collect::<Vec<_>>());
    let new = on(0);
    assert!(world.relay.policies.apply(&[policy("default")], false, None, &new).await.is_err(), "it is there");
    world.relay.policies.apply(&[policy("new")], false, None, &new).await.unwrap();
}

#[tokio::test]
async fn changes_of_another_process_take_effect() {
    let world = with_two().await;
    let op = world.dapp(ACCOUNT).await.first_op(0);
    let (settings, stop) = (settings(&world), CancellationToken::new());
    let elsewhere = Catalogue::new(&settings).unwrap();
    let rows = Arc::new(SqlitePolicies::new(world.store.database()));
    let clock = Arc::clone(&world.relay.parts.clock);
    let other = PolicyRegister::open(&settings, elsewhere.live_policies(), rows, clock).await.unwrap();
    let (here, stopped) = (Arc::clone(&world.relay.policies), stop.clone());
    let following = tokio::spawn(async move { here.follow(stopped).await });
    other.set_state("other", PolicyState::Disabled, &by("uid 7")).await.unwrap();
    eventually(async || (outcome(&world, &op, "other").await == "policy_disabled").then_some(())).await;
    stop.cancel();
    following.await.unwrap();
}

#[tokio::test]
async fn a_sponsorship_of_a_policy_that_is_gone_is_settled_and_not_renewed() {
    let world = with_two().await;
    world.relay.settler.settle().await.unwrap();
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let answer = world.sponsor(&mut dapp, &op).await.unwrap();
    world.relay.policies.set_state("default", PolicyState::Disabled, &by("uid 7")).await.unwrap();
    world.sponsor(&mut dapp, &op).await.unwrap_err().assert_is(-32501, "policy_disabled", false);
    world.relay.policies.set_state("default", PolicyState::Archived, &by("uid 7")).await.unwrap();
    // The default is another one now.
    world.sponsor(&mut dapp, &op).await.unwrap_err().assert_is(-32602, "policy_conflict", true);
    world.chain.entry_point.handle_ops(&answer["userOperation"]).await.unwrap();
    world.pass(1).await;
    world.relay.settler.settle().await.unwrap();
    assert_eq!(world.reserved().await, 0);
}

#[tokio::test]
async fn a_restart_keeps_changes_and_follows_the_file_where_nobody_changed_anything() {
    let mut world = with_two().await;
    let register = &world.relay.policies;
    register.apply(&[costing("default", TOO_LITTLE)], false, None, &by("uid 7")).await.unwrap();
    register.apply(&[policy("new")], false, None, &by("uid 7")).await.unwrap();
    world.settings["policies"] = json!([policy("default"), costing("other", TOO_LITTLE)]);
    let mut world = world.restarted().await;
    let op = world.dapp(ACCOUNT).await.first_op(0);
    assert_eq!(outcome(&world, &op, "default").await, "cost_above_policy");
    assert_eq!(outcome(&world, &op, "other").await, "cost_above_policy");
    assert_eq!(outcome(&world, &op, "new").await, "sponsored");
    assert_eq!(world.relay.policies.in_file("default").unwrap()["max_cost_per_operation"], (ETHER / 10).to_string());

    // A document that no longer fits the configuration counts as disabled, and the others go on.
    let mut on_chain = policy("new");
    on_chain["chain_ids"] = json!([31337]);
    world.relay.policies.apply(&[on_chain], false, None, &by("uid 7")).await.unwrap();
    world.settings["policies"] = json!([costing("default", TOO_LITTLE), policy("other")]);
    world.settings["reservations"]["max_wei_per_account"] = json!((ETHER / 20).to_string());
    world.settings["policies"][1]["max_cost_per_operation"] = json!((ETHER / 20).to_string());
    let world = world.restarted().await;
    assert_eq!(outcome(&world, &op, "new").await, "policy_disabled");
    assert_eq!(outcome(&world, &op, "other").await, "sponsored");
}
