//! The EntryPoint charges for unused gas, and no more than what was reserved.

use alloy_primitives::{Address, U256};
use devkit::EntryPointVersion::{self, V06, V07, V08, V09};

use crate::support::{ACCOUNT, World};

/// Gas that the operation's call does not need.
const SPARE: u64 = 4_000_000;

async fn no_charge_exceeds_what_was_reserved(version: EntryPointVersion) {
    let world = World::new(version).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let mut draft = dapp.draft(0, dapp.call_data(Address::repeat_byte(0xaa)));
    draft.gas.call += SPARE;
    // Everything that is charged is charged at the price that was reserved.
    draft.max_priority_fee_per_gas = draft.max_fee_per_gas;
    let op = draft.to_json(version);
    let answer = world.sponsor(&mut dapp, &op).await.unwrap();
    let reserved = world.reserved().await;
    let mined = world.chain.entry_point.handle_ops(&answer["userOperation"]).await.unwrap();
    let fee = U256::from(draft.max_fee_per_gas);
    assert_eq!(mined.actual_gas_cost, mined.actual_gas_used * fee, "at maxFeePerGas");
    assert!(mined.actual_gas_cost <= U256::from(reserved), "{mined:?} {reserved}");
    let penalty = U256::from(SPARE / 10);
    let is_penalised = version != V06;
    assert_eq!(mined.actual_gas_used > penalty + U256::from(mined.transaction_gas_used), is_penalised, "{mined:?}");
}

#[tokio::test]
async fn unused_gas_costs_nothing_beyond_the_worst_case_v06() {
    no_charge_exceeds_what_was_reserved(V06).await;
}

#[tokio::test]
async fn the_penalty_for_unused_gas_is_within_the_worst_case_v07() {
    no_charge_exceeds_what_was_reserved(V07).await;
}

#[tokio::test]
async fn the_penalty_for_unused_gas_is_within_the_worst_case_v08() {
    no_charge_exceeds_what_was_reserved(V08).await;
}

#[tokio::test]
async fn the_penalty_for_unused_gas_is_within_the_worst_case_v09() {
    no_charge_exceeds_what_was_reserved(V09).await;
}
