//! The allowances of the TEE, as the relay and its operator see them.

use devkit::EntryPointVersion::V07;
use proto::command::{Allowance, Deployment, GetAllowances};

use crate::support::World;

const ACCOUNT: &str = "alice";
/// The worst case of a dApp's first operation.
const COST: u128 = 770_000 * 4_000_000_000;

impl World {
    /// The first deployment of the TEE's ceilings.
    pub fn allowed_deployment(&self) -> Deployment {
        self.tee.state().provisioned.unwrap().ceilings.deployments[0]
    }

    fn allowance(&self) -> Allowance {
        self.tee.call(&GetAllowances).unwrap().allowances[0]
    }
}

#[tokio::test]
async fn what_is_left_is_sponsored_and_the_next_operation_is_refused_with_nothing_reserved() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    world.tee.set_allowance(world.allowed_deployment(), 2 * COST);
    for nonce in 0..2 {
        let op = dapp.first_op(nonce);
        world.sponsor(&mut dapp, &op).await.unwrap();
    }
    assert_eq!((world.allowance().spent.0, world.allowance().remaining().0), (2 * COST, 0));
    let reserved = world.reserved().await;
    let op = dapp.first_op(2);
    let refusal = world.sponsor(&mut dapp, &op).await.unwrap_err();
    refusal.assert_is(-32501, "allowance_exhausted", false);
    assert!(!refusal.message.chars().any(|text| text.is_ascii_digit()), "it discloses nothing: {refusal:?}");
    assert_eq!(world.reserved().await, reserved);

    world.tee.set_allowance(world.allowed_deployment(), 3 * COST);
    world.sponsor(&mut dapp, &op).await.unwrap();
}

/// The relay knows the allowance as it was a few seconds ago; the TEE decides.
#[tokio::test]
async fn what_the_tee_refuses_gives_the_reservation_back() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    world.tee.set_allowance(world.allowed_deployment(), 10 * COST);
    let op = dapp.first_op(0);
    world.sponsor(&mut dapp, &op).await.unwrap();
    let (reserved, asked) = (world.reserved().await, world.sponsorships());
    world.tee.set_allowance(world.allowed_deployment(), COST);
    let op = dapp.first_op(1);
    let refusal = world.sponsor(&mut dapp, &op).await.unwrap_err();
    refusal.assert_is(-32501, "allowance_exhausted", false);
    assert_eq!((world.reserved().await, world.sponsorships()), (reserved, asked + 1));
    world.tee.set_allowance(world.allowed_deployment(), 2 * COST);
    world.sponsor(&mut dapp, &op).await.unwrap();
}

#[tokio::test]
async fn a_tee_without_allowances_is_a_problem_where_they_are_required() {
    let mut world = World::new(V07).await;
    assert_eq!(world.problem("allowances").await, None);
    world.settings["require_allowances"] = true.into();
    let world = world.restarted().await;
    let problem = world.problem("allowances").await.unwrap();
    assert!(problem.contains("super-relay admin set-allowance"), "{problem}");
    assert!(problem.contains("relay.require_allowances = false"), "{problem}");
    world.tee.set_allowance(world.allowed_deployment(), 10u128.pow(18));
    assert_eq!(world.problem("allowances").await, None);
}

#[tokio::test]
async fn an_allowance_that_does_not_cover_the_dearest_operation_is_a_problem() {
    let world = World::new(V07).await;
    world.tee.set_allowance(world.allowed_deployment(), 1000);
    let problem = world.problem("allowances").await.unwrap();
    assert!(problem.starts_with("1000 wei remain of the TEE's allowance for chain 31337"), "{problem}");
    assert!(problem.to_lowercase().contains(&format!("{:#x}", world.paymaster.address())), "{problem}");
}
