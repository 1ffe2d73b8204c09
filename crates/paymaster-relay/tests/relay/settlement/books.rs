//! The ledger is compared with the chain, and old sponsorships are deleted.

use alloy_primitives::{Address, U256};
use alloy_provider::Provider;
use alloy_rpc_types_eth::TransactionRequest;
use alloy_sol_types::{SolCall, sol};
use devkit::EntryPointVersion::{V06, V07, V08, V09};
use devkit::user_operation::Draft;
use devkit::{Call, EntryPointVersion};
use paymaster_relay::settle::Reconciliation;
use paymaster_relay::store::{Ledger, LedgerQuery, Outcomes, UsageBy, UsageQuery};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{LOGS, allows_ten_blocks, behind_a_node, is_pruned, mine, sponsored, states, tells_of_no_logs};
use crate::support::{ACCOUNT, Dapp, Fault, Log, World, until};

const AGREES: Reconciliation = Reconciliation { costs: 0, deposit: Some(0), foreign: 0 };

sol! {
    function depositTo(address account) payable;
}

/// Makes all blocks so far final, and settles what is in them.
async fn settle_all(world: &World) {
    world.anvil.mine(1).await.unwrap();
    world.relay.settler.settle().await.unwrap();
}

/// Settles, and compares: the only result.
async fn reconcile(world: &World) -> Reconciliation {
    settle_all(world).await;
    let results = world.relay.settler.reconcile().await.unwrap();
    assert_eq!(results.len(), 1, "{results:?}");
    results[0]
}

async fn begun(version: EntryPointVersion) -> World {
    let world = World::new(version).await;
    begin(&world).await;
    world
}

/// The first comparison has nothing to compare.
async fn begin(world: &World) {
    settle_all(world).await;
    assert_eq!(world.relay.settler.reconcile().await.unwrap(), []);
}

async fn change(world: &World, statement: &'static str) {
    sqlx::query(statement).execute(&world.store.database().pool()).await.unwrap();
}

fn gauge(world: &World, name: &str, of: Option<&str>) -> Option<f64> {
    let families = world.registry.gather();
    let family = families.iter().find(|family| family.name() == name)?;
    let is_of = |label: &prometheus::proto::LabelPair| label.name() == "of" && Some(label.value()) == of;
    let metric = family.get_metric().iter().find(|metric| of.is_none() || metric.get_label().iter().any(is_of))?;
    Some(metric.get_gauge().get_value())
}

async fn dapp_of(world: &World, account_id: &str) -> (Dapp, serde_json::Value) {
    let mut dapp = world.dapp(account_id).await;
    let op = dapp.first_op(0);
    let answer = world.sponsor(&mut dapp, &op).await.unwrap();
    (dapp, answer)
}

#[tokio::test]
async fn ledger_and_chain_agree_to_the_wei_on_every_version() {
    for version in [V06, V07, V08, V09] {
        let world = begun(version).await;
        let before = world.paymaster.deposited().await.unwrap();
        let answer = sponsored(&world).await;
        mine(&world, &answer).await;
        let (_, other) = dapp_of(&world, "bob").await;
        mine(&world, &other).await;
        assert_eq!(reconcile(&world).await, AGREES, "{version}");
        let entries = world.store.page(&LedgerQuery::default()).await.unwrap().entries;
        let paid: u128 = entries.iter().map(|entry| entry.cost.unwrap().0).sum();
        assert_eq!(U256::from(paid), before - world.paymaster.deposited().await.unwrap(), "{version}");
        assert!(
            entries.iter().all(|entry| entry.transaction.is_some() && entry.gas_used > Some(10_000)),
            "{entries:?}"
        );
        let query = UsageQuery { by: UsageBy::Policy, from: None, to: None, skip: 0 };
        let usage = world.store.usage(&query).await.unwrap();
        assert_eq!((usage.len(), usage[0].settled, usage[0].cost.0), (1, 2, paid), "{version}");
        for of in ["costs", "deposit"] {
            assert_eq!(gauge(&world, "relay_reconciliation_difference_wei", Some(of)), Some(0.0));
        }
        assert_eq!(world.problem("reconciliation").await, None);
    }
}

#[tokio::test]
async fn deposits_and_withdrawals_between_operations_add_up() {
    let world = begun(V07).await;
    let wei = |wei: u64| U256::from(wei);
    let answer = sponsored(&world).await;
    world.paymaster.deposit(wei(1_000_000_007)).await.unwrap();
    mine(&world, &answer).await;
    world.paymaster.withdraw_to(Address::repeat_byte(9), wei(12_345)).await.unwrap();
    world.paymaster.deposit(wei(0)).await.unwrap();
    let world = world.restarted().await;
    assert_eq!(reconcile(&world).await, AGREES);
    world.paymaster.withdraw_to(Address::repeat_byte(9), wei(1)).await.unwrap();
    assert_eq!(reconcile(&world).await, AGREES);
    assert_eq!(reconcile(&world).await, AGREES, "an hour without anything");
}

#[tokio::test]
async fn what_an_operation_deposits_for_the_paymaster_is_no_difference() {
    let world = begun(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let entry_point = world.chain.entry_point.address();
    let data = depositToCall { account: world.paymaster.address() }.abi_encode().into();
    let call = devkit::execute(&Call { target: entry_point, value: U256::from(777), data });
    let op = dapp.op_calling(0, call);
    let answer = world.sponsor(&mut dapp, &op).await.unwrap();
    let funds = TransactionRequest::default().from(world.anvil.deployer()).to(dapp.sender).value(U256::from(1000));
    world.anvil.provider().send_transaction(funds).await.unwrap().watch().await.unwrap();
    mine(&world, &answer).await;
    assert_eq!(reconcile(&world).await, AGREES);
}

#[tokio::test]
async fn operations_of_another_relay_are_foreign_and_no_difference() {
    let world = begun(V07).await;
    let (_, ours) = dapp_of(&world, ACCOUNT).await;
    let (_, theirs) = dapp_of(&world, "bob").await;
    // As if another relay had sponsored it.
    change(&world, "DELETE FROM sponsorships WHERE account_id = 'bob'").await;
    for answer in [&ours, &theirs] {
        mine(&world, answer).await;
    }
    assert_eq!(reconcile(&world).await, Reconciliation { foreign: 1, ..AGREES });
    assert_eq!(world.problem("reconciliation").await, None);
}

#[tokio::test]
async fn a_cost_that_differs_is_found_to_the_wei_and_reported() {
    let log = Log::start();
    let world = begun(V07).await;
    let answer = sponsored(&world).await;
    mine(&world, &answer).await;
    settle_all(&world).await;
    change(&world, "UPDATE sponsorships SET settled_cost_gwei = settled_cost_gwei + 2").await;
    let difference = 2_000_000_000;
    assert_eq!(reconcile(&world).await, Reconciliation { costs: difference, ..AGREES });
    let hash = answer["userOpHash"].as_str().unwrap();
    assert!(log.lines("the ledger differs").iter().any(|line| line.contains(hash)), "{:?}", log.lines("ledger"));
    assert_eq!(gauge(&world, "relay_reconciliation_difference_wei", Some("costs")), Some(2e9));
    let problem = world.problem("reconciliation").await.unwrap();
    assert!(problem.contains("2000000000 wei above"), "{problem}");
    assert_eq!(reconcile(&world).await, AGREES, "the next blocks agree");
    assert_eq!(world.problem("reconciliation").await, None);
}

#[tokio::test]
async fn an_operation_that_settlement_missed_is_found() {
    let log = Log::start();
    let (world, node) = behind_a_node().await;
    begin(&world).await;
    let answer = sponsored(&world).await;
    mine(&world, &answer).await;
    node.fail(Fault::Rewrites(tells_of_no_logs));
    settle_all(&world).await;
    node.fail(Fault::None);
    world.anvil.mine(3).await.unwrap();
    let found = reconcile(&world).await;
    assert!(found.costs < 0 && found.deposit == Some(0), "{found:?}");
    assert_eq!(log.lines("is not booked as mined").len(), 1);
}

#[tokio::test]
async fn a_deposit_that_changes_without_a_log_is_found() {
    let (world, node) = behind_a_node().await;
    begin(&world).await;
    world.paymaster.withdraw_to(Address::repeat_byte(9), U256::from(5)).await.unwrap();
    settle_all(&world).await;
    node.fail(Fault::Rewrites(tells_of_no_logs));
    assert_eq!(reconcile(&world).await, Reconciliation { deposit: Some(-5), ..AGREES });
    assert!(world.problem("reconciliation").await.unwrap().contains("-5 wei above"));
}

fn has_no_state_of_old_blocks(question: &serde_json::Value, answer: &mut serde_json::Value) {
    if question["method"] == "eth_call" && question["params"][1] != "latest" {
        let error = json!({ "code": -32000, "message": "missing trie node" });
        *answer = json!({ "jsonrpc": "2.0", "id": question["id"], "error": error });
    }
}

#[tokio::test]
async fn without_the_state_of_final_blocks_only_costs_are_compared() {
    let (world, node) = behind_a_node().await;
    node.fail(Fault::Rewrites(has_no_state_of_old_blocks));
    begin(&world).await;
    node.fail(Fault::None);
    let answer = sponsored(&world).await;
    mine(&world, &answer).await;
    node.fail(Fault::Rewrites(has_no_state_of_old_blocks));
    assert_eq!(reconcile(&world).await, Reconciliation { deposit: None, ..AGREES });
    assert_eq!(gauge(&world, "relay_reconciliation_difference_wei", Some("deposit")), None);
    assert_eq!(world.problem("reconciliation").await, None);
    node.fail(Fault::None);
    assert_eq!(reconcile(&world).await.deposit, None, "it was not known at the beginning");
    assert_eq!(reconcile(&world).await, AGREES);
}

#[tokio::test]
async fn logs_are_read_in_ranges_that_the_node_allows() {
    let (world, node) = behind_a_node().await;
    begin(&world).await;
    world.anvil.mine(60).await.unwrap();
    let answer = sponsored(&world).await;
    mine(&world, &answer).await;
    settle_all(&world).await;
    node.fail(Fault::Rewrites(allows_ten_blocks));
    assert_eq!(reconcile(&world).await, AGREES);
}

fn keeps_no_logs(question: &serde_json::Value, answer: &mut serde_json::Value) {
    if question["method"] == LOGS {
        is_pruned(question, answer);
    }
}

#[tokio::test]
async fn a_comparison_that_fails_is_repeated_and_begins_anew_when_the_logs_are_gone() {
    let (world, node) = behind_a_node().await;
    begin(&world).await;
    let answer = sponsored(&world).await;
    mine(&world, &answer).await;
    settle_all(&world).await;
    node.fail(Fault::Rewrites(keeps_no_logs));
    for _ in 0..3 {
        world.relay.settler.reconcile().await.unwrap_err();
    }
    assert!(world.problem("reconciliation").await.unwrap().contains("pruned"));
    node.fail(Fault::None);
    assert_eq!(reconcile(&world).await, AGREES, "the same blocks");
    assert_eq!(world.problem("reconciliation").await, None);

    node.fail(Fault::Rewrites(keeps_no_logs));
    world.anvil.mine(5).await.unwrap();
    world.relay.settler.settle().await.unwrap_err();
    node.fail(Fault::None);
    world.relay.settler.settle().await.unwrap();
    node.fail(Fault::Rewrites(keeps_no_logs));
    for _ in 0..10 {
        world.relay.settler.reconcile().await.unwrap_err();
    }
    assert_eq!(world.problem("reconciliation").await, None);
    node.fail(Fault::None);
    assert_eq!(reconcile(&world).await, AGREES);
}

#[tokio::test]
async fn a_chain_that_was_reset_is_compared_from_then_on() {
    let world = World::new(V07).await;
    settle_all(&world).await;
    let before = world.anvil.snapshot().await.unwrap();
    world.anvil.mine(5).await.unwrap();
    begin(&world).await;
    world.anvil.revert(before).await.unwrap();
    world.paymaster.deposit(U256::from(5)).await.unwrap();
    world.anvil.increase_time(1000).await.unwrap();
    world.anvil.mine(20).await.unwrap();
    assert_eq!(world.relay.settler.reconcile().await.unwrap(), []);
    let mut rounds = 0;
    while world.relay.settler.settle().await.is_err() {
        world.anvil.mine(1).await.unwrap();
        rounds += 1;
        assert!(rounds < 30, "{:?}", world.problem("settlement").await);
    }
    assert_eq!(reconcile(&world).await, AGREES);
}

#[tokio::test]
async fn sponsorships_are_deleted_when_they_are_old_by_both_clocks() {
    let world = World::with(V07, 10u128.pow(18), |settings| {
        settings["ledger"] = json!({ "retention_days": 30 });
    })
    .await;
    world.relay.settler.settle().await.unwrap();
    let answer = sponsored(&world).await;
    mine(&world, &answer).await;
    settle_all(&world).await;
    world.clock.advance(31 * 86_400);
    world.relay.settler.settle().await.unwrap();
    assert_eq!(world.relay.settler.forget_old().await.unwrap(), 0, "the chain's clock is not there yet");
    assert_eq!(states(&world).await.len(), 1);
    world.anvil.increase_time(31 * 86_400).await.unwrap();
    settle_all(&world).await;
    assert_eq!(world.relay.settler.forget_old().await.unwrap(), 1);
    assert_eq!(states(&world).await.len(), 0);
    let query = UsageQuery { by: UsageBy::Month, from: None, to: None, skip: 0 };
    assert_eq!(world.store.usage(&query).await.unwrap()[0].settled, 1);
    let world = world.restarted().await;
    assert_eq!(world.store.usage(&query).await.unwrap()[0].settled, 1);
    let mut dapp = world.dapp("bob").await;
    let op = dapp.first_op(0);
    world.sponsor(&mut dapp, &op).await.unwrap();
}

#[tokio::test]
async fn the_hours_that_the_deposit_lasts_are_told_once_something_was_spent() {
    let world = World::with(V07, 10u128.pow(18), |settings| {
        settings["ledger"] = json!({ "min_hours_left": 1_000_000 });
    })
    .await;
    let hours = || gauge(&world, "relay_deposit_hours_left", None);
    let sweep = async |is_done: &dyn Fn() -> bool| {
        let stop = CancellationToken::new();
        let told = async {
            until(async || is_done()).await;
            stop.cancel();
        };
        tokio::join!(world.relay.sweeper.run(stop.clone()), told);
    };
    sweep(&|| gauge(&world, "relay_deposit_gwei", None).is_some()).await;
    assert_eq!(hours(), None);
    assert_eq!(world.problem("deposit").await, None);
    let answer = sponsored(&world).await;
    let cost = mine(&world, &answer).await;
    settle_all(&world).await;
    sweep(&|| hours().is_some()).await;
    let deposit: u128 = world.paymaster.deposited().await.unwrap().to();
    let rough = deposit as f64 / 1e9 / cost as f64;
    assert!((rough * 23.9..rough * 25.1).contains(&hours().unwrap()), "{:?} {rough}", hours());
    let problem = world.problem("deposit").await.unwrap();
    assert!(problem.contains("relay.ledger.min_hours_left is 1000000"), "{problem}");
}

/// An operation of an account whose call reverts.
#[tokio::test]
async fn how_operations_of_an_account_ended_is_counted() {
    let world = World::new(V07).await;
    world.relay.settler.settle().await.unwrap();
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let answer = world.sponsor(&mut dapp, &op).await.unwrap();
    mine(&world, &answer).await;
    // A transfer of what it does not have.
    let call =
        devkit::execute(&Call { target: Address::repeat_byte(1), value: U256::from(1), data: Default::default() });
    let op = Draft::new(dapp.sender, U256::from(1), call).to_json(V07);
    let answer = world.sponsor(&mut dapp, &op).await.unwrap();
    mine(&world, &answer).await;
    settle_all(&world).await;
    let counted = world.store.outcomes_since(31337, dapp.sender.into(), 0).await.unwrap();
    assert_eq!(counted, Outcomes { succeeded: 1, reverted: 1 });
}
