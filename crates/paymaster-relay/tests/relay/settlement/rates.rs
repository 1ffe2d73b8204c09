//! Nodes that limit how often they are asked.

use devkit::EntryPointVersion::V07;
use serde_json::json;

use super::{allows_ten_blocks, behind_a_node, mine, sponsored, states};
use crate::support::{ACCOUNT, Fault, Node, World};

/// Of free plans.
const CALLS_A_SECOND: u32 = 15;
const CONFIRMATIONS: u64 = 64;

/// A node that takes few blocks in a query, behind one that limits the rate.
async fn behind_a_slow_node() -> (World, Node) {
    let mut node = None;
    let world = World::with(V07, 10u128.pow(18), |settings| {
        let behind = Node::within(settings);
        behind.fail(Fault::Rewrites(allows_ten_blocks));
        node = Some(Node::within(settings));
        settings["chain"]["confirmations"] = CONFIRMATIONS.into();
    })
    .await;
    (world, node.unwrap())
}

#[tokio::test]
async fn a_node_that_takes_fewer_calls_a_second_than_a_round_makes_is_read_to_the_end() {
    let (world, node) = behind_a_slow_node().await;
    world.relay.settler.settle().await.unwrap();
    let answer = sponsored(&world).await;
    world.anvil.mine(100).await.unwrap();
    mine(&world, &answer).await;
    world.anvil.mine(CONFIRMATIONS).await.unwrap();
    node.fail(Fault::Rate(CALLS_A_SECOND));
    // Each round rereads what is not final: more calls than the node takes at once.
    let mut rounds = 0;
    loop {
        world.relay.settler.settle().await.unwrap();
        rounds += 1;
        if world.problem("settlement").await.is_none() {
            break;
        }
        assert!(rounds < 10);
    }
    assert_eq!(states(&world).await[0].0, "settled");
}

#[tokio::test]
async fn used_nonces_are_looked_up_and_others_released_at_a_node_that_takes_few_calls_a_second() {
    let (world, node) = behind_a_node().await;
    world.relay.settler.settle().await.unwrap();
    let mut dapp = world.dapp(ACCOUNT).await;
    let first = dapp.first_op(0);
    let answer = world.sponsor(&mut dapp, &first).await.unwrap();
    mine(&world, &answer).await;
    // Each has a nonce key of its own. The nonces of the first six are used: five by another
    // operation.
    for key in 1..10 {
        let mut op = dapp.first_op(key);
        for name in ["factory", "factoryData"] {
            op.as_object_mut().unwrap().remove(name);
        }
        world.sponsor(&mut dapp, &op).await.unwrap();
        if key < 6 {
            op["callGasLimit"] = json!("0x30000");
            let answer = world.sponsor(&mut dapp, &op).await.unwrap();
            mine(&world, &answer).await;
        }
    }
    world.pass(700).await;
    world.relay.settler.settle().await.unwrap();
    node.fail(Fault::Rate(CALLS_A_SECOND));
    let (mut released, mut rounds) = (0, 0);
    while released < 9 {
        // A round that the node's rate ends keeps what it found out.
        released += world.relay.settler.release_unused().await.unwrap_or(0);
        released += world.relay.settler.release_used().await.unwrap_or(0);
        rounds += 1;
        assert!(rounds < 10, "{released}");
    }
    let states: Vec<_> = states(&world).await.into_iter().map(|(state, _)| state).collect();
    let settled = states.iter().filter(|state| *state == "settled").count();
    assert_eq!((settled, states.len()), (6, 15), "{states:?}");
}
