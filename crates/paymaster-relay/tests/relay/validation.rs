//! Operations that the EntryPoint would certainly refuse are refused by name, before anything is
//! reserved.

use std::sync::atomic::Ordering;

use alloy_primitives::{Address, Bytes, U256};
use alloy_provider::Provider;
use devkit::Call;
use devkit::EntryPointVersion::{V06, V07, V08, V09};
use devkit::user_operation::Draft;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Dapp, Refusal, World};

/// An address without a contract.
const NOBODY: Address = Address::repeat_byte(0xab);

/// Contracts that an account may delegate to.
const DELEGATE: Address = Address::repeat_byte(0xd1);
const OTHER: Address = Address::repeat_byte(0xd2);

/// Length of callData, and of factoryData, in bytes.
const LARGEST: usize = 48 * 1024;

fn draft(dapp: &Dapp) -> Draft {
    dapp.draft(0, dapp.call_data(Address::repeat_byte(1)))
}

/// The refusal of an approved operation; its stub and its intent are refused alike.
async fn refused(world: &World, dapp: &mut Dapp, draft: &Draft) -> Refusal {
    let op = draft.to_json(dapp.version);
    let reserved = world.reserved().await;
    let refusal = world.sponsor(dapp, &op).await.unwrap_err();
    assert_eq!(world.reserved().await, reserved, "{refusal:?}");
    assert_eq!(world.sponsorships(), 0, "the TEE is not asked: {refusal:?}");
    refusal
}

#[tokio::test]
async fn operations_that_cannot_validate_are_refused_by_name_and_reserve_nothing() {
    for version in [V06, V07, V08, V09] {
        let world = World::new(version).await;
        let mut dapp = world.dapp(ACCOUNT).await;
        let good = draft(&dapp);
        let (factory, data) = good.deploy.clone().unwrap();

        let op = Draft { deploy: None, ..good.clone() };
        refused(&world, &mut dapp, &op).await.assert_is(-32500, "account_not_deployed", true);

        let op = Draft { deploy: Some((factory, Bytes::new())), ..good.clone() };
        let refusal = refused(&world, &mut dapp, &op).await;
        refusal.assert_is(-32602, "factory_data_missing", false);
        assert_eq!(refusal.data["field"], "factoryData");

        let op = Draft { sender: NOBODY, ..good.clone() };
        let refusal = refused(&world, &mut dapp, &op).await;
        refusal.assert_is(-32500, "sender_not_from_factory", true);
        assert_eq!(refusal.data["expected"], dapp.sender.to_string());

        // A factory that reverts, and one that does not exist.
        for factory in [world.chain.entry_point.address(), NOBODY] {
            let op = Draft { deploy: Some((factory, data.clone())), ..good.clone() };
            refused(&world, &mut dapp, &op).await.assert_is(-32500, "account_creation_failed", true);
        }

        let mut op = good.clone();
        op.gas.verification = 0;
        let refusal = refused(&world, &mut dapp, &op).await;
        refusal.assert_is(-32602, "verification_gas_missing", false);
        assert_eq!(refusal.data["field"], "verificationGasLimit");

        // The control: the valid operation.
        let answer = world.sponsor(&mut dapp, &good.to_json(version)).await.unwrap();
        assert!(world.chain.entry_point.handle_ops(&answer["userOperation"]).await.unwrap().success);
    }
}

#[tokio::test]
async fn a_factory_of_a_deployed_account_is_refused_where_the_entry_point_refuses_it() {
    for version in [V06, V07, V08, V09] {
        let world = World::new(version).await;
        let mut dapp = world.dapp(ACCOUNT).await;
        let op = draft(&dapp).to_json(version);
        let first = world.sponsor(&mut dapp, &op).await.unwrap();
        world.chain.entry_point.handle_ops(&first["userOperation"]).await.unwrap();

        let op = Draft { nonce: U256::from(1), ..draft(&dapp) }.to_json(version);
        match world.sponsor(&mut dapp, &op).await {
            // v0.9 ignores it, and mines the operation.
            Ok(answer) => {
                assert_eq!(version, V09);
                assert!(world.chain.entry_point.handle_ops(&answer["userOperation"]).await.unwrap().success);
            }
            Err(refusal) => {
                assert_ne!(version, V09);
                refusal.assert_is(-32500, "account_already_deployed", false);
            }
        }
    }
}

#[tokio::test]
async fn an_eip7702_operation_brings_its_code_along_and_a_delegated_sender_has_code() {
    let world = World::new(V08).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let delegate = world.chain.delegate.unwrap();

    let mut op = Draft { sender: NOBODY, deploy: None, ..draft(&dapp) }.to_json(V08);
    op["factory"] = json!("0x7702");
    op["eip7702Auth"] = authorisation(delegate);
    world.sponsor(&mut dapp, &op).await.unwrap();

    delegate_nobody_to(&world, delegate).await;
    let other = Draft { sender: NOBODY, deploy: None, nonce: U256::from(1) << 64, ..draft(&dapp) };
    world.sponsor(&mut dapp, &other.to_json(V08)).await.unwrap();

    // The delegation can be changed, while an account with its own contract cannot have one.
    op["nonce"] = json!(U256::from(2) << 64);
    world.sponsor(&mut dapp, &op).await.unwrap();
    op["sender"] = json!(world.chain.entry_point.address());
    let refusal = world.sponsor(&mut dapp, &op).await.unwrap_err();
    refusal.assert_is(-32500, "sender_cannot_delegate", false);
}

#[tokio::test]
async fn an_authorisation_beside_the_operation_brings_code_along_too() {
    for version in [V06, V07, V08, V09] {
        let world = World::new(version).await;
        let mut dapp = world.dapp(ACCOUNT).await;
        let mut op = Draft { sender: NOBODY, deploy: None, ..draft(&dapp) }.to_json(version);
        world.sponsor(&mut dapp, &op).await.unwrap_err().assert_is(-32500, "account_not_deployed", true);
        op["eip7702Auth"] = authorisation(DELEGATE);

        let answer = world.sponsor(&mut dapp, &op).await.unwrap();

        assert_eq!(answer["userOperation"]["eip7702Auth"], op["eip7702Auth"], "{version:?}");
        op["sender"] = json!(world.chain.entry_point.address());
        let refusal = world.sponsor(&mut dapp, &op).await.unwrap_err();
        refusal.assert_is(-32500, "sender_cannot_delegate", false);
    }
}

/// What an authorisation beside the operation names runs if it is valid, and otherwise what the
/// sender delegates to now.
#[tokio::test]
async fn factories_restrict_the_authorised_delegate_and_the_current_one() {
    for version in [V06, V07, V08, V09] {
        let listed = |settings: &mut Value| settings["policies"][0]["factories"] = json!([DELEGATE]);
        let world = World::with(version, 10u128.pow(18), listed).await;
        let mut dapp = world.dapp(ACCOUNT).await;
        let cases = [
            (None, Some(DELEGATE), true),
            (None, Some(OTHER), false),
            (Some(DELEGATE), None, true),
            (Some(OTHER), None, false),
            (Some(DELEGATE), Some(OTHER), false),
            (Some(OTHER), Some(DELEGATE), false),
            (Some(DELEGATE), Some(DELEGATE), true),
        ];
        for (key, (current, authorised, is_allowed)) in cases.into_iter().enumerate() {
            delegate_nobody_to(&world, current.unwrap_or_default()).await;
            let nonce = U256::from(key) << 64;
            let mut op = Draft { sender: NOBODY, deploy: None, nonce, ..draft(&dapp) }.to_json(version);
            op["eip7702Auth"] = authorised.map(authorisation).into();

            match world.sponsor(&mut dapp, &op).await {
                Ok(_) => assert!(is_allowed, "{version:?}: {current:?} {authorised:?}"),
                Err(refusal) => {
                    assert!(!is_allowed, "{version:?}: {current:?} {authorised:?}: {refusal:?}");
                    refusal.assert_is(-32501, "factory_not_allowed", false);
                    assert!(refusal.message.contains(&OTHER.to_string()), "{refusal:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_operation_that_is_signed_again_is_held_against_the_delegate_of_now() {
    for version in [V06, V07, V08, V09] {
        let listed = |settings: &mut Value| settings["policies"][0]["factories"] = json!([DELEGATE]);
        let world = World::with(version, 10u128.pow(18), listed).await;
        let mut dapp = world.dapp(ACCOUNT).await;
        delegate_nobody_to(&world, DELEGATE).await;
        let op = Draft { sender: NOBODY, deploy: None, ..draft(&dapp) }.to_json(version);
        world.tee.loses_answers.store(true, Ordering::SeqCst);
        world.sponsor(&mut dapp, &op).await.unwrap_err().assert_is(-32603, "kms_unavailable", true);
        world.tee.loses_answers.store(false, Ordering::SeqCst);
        let (reserved, asked) = (world.reserved().await, world.sponsorships());
        assert!(reserved > 0);

        delegate_nobody_to(&world, OTHER).await;
        let before = world.client.call("pm_getSponsorshipIntent", json!([op, ACCOUNT])).await.unwrap_err();
        let after = world.sponsor(&mut dapp, &op).await.unwrap_err();
        for refusal in [before, after] {
            refusal.assert_is(-32501, "factory_not_allowed", false);
        }
        assert_eq!((world.reserved().await, world.sponsorships()), (reserved, asked));

        delegate_nobody_to(&world, DELEGATE).await;
        world.sponsor(&mut dapp, &op).await.unwrap();
        assert_eq!(world.reserved().await, reserved);
    }
}

/// The hash binds the delegate that comes with the factory `0x7702`, whatever the current one is.
#[tokio::test]
async fn a_delegation_to_a_listed_contract_replaces_another() {
    let listed = |settings: &mut Value| settings["policies"][0]["factories"] = json!([DELEGATE]);
    let world = World::with(V08, 10u128.pow(18), listed).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    delegate_nobody_to(&world, OTHER).await;
    let mut op = Draft { sender: NOBODY, deploy: None, ..draft(&dapp) }.to_json(V08);
    world.sponsor(&mut dapp, &op).await.unwrap_err().assert_is(-32501, "factory_not_allowed", false);

    (op["factory"], op["eip7702Auth"]) = (json!("0x7702"), authorisation(DELEGATE));

    world.sponsor(&mut dapp, &op).await.unwrap();
}

/// An authorisation in the form of ERC-7769, not signed by anyone: clients send one like it before
/// the account's owner has signed.
fn authorisation(delegate: Address) -> Value {
    json!({
        "address": delegate,
        "chainId": "0x7a69",
        "nonce": "0x0",
        "r": format!("0x{}", "11".repeat(32)),
        "s": format!("0x{}", "22".repeat(32)),
        "yParity": "0x0",
    })
}

/// The zero address removes the delegation, as on chain.
async fn delegate_nobody_to(world: &World, delegate: Address) {
    let designator = match delegate {
        Address::ZERO => Bytes::new(),
        delegate => [&[0xef, 0x01, 0x00], delegate.as_slice()].concat().into(),
    };
    let set: Result<Value, _> = world.anvil.provider().raw_request("anvil_setCode".into(), (NOBODY, designator)).await;
    set.unwrap();
}

#[tokio::test]
async fn an_operation_as_large_as_it_may_be_is_sponsored_with_gas_enough_to_be_mined() {
    for version in [V06, V07, V08, V09] {
        let world = World::new(version).await;
        let mut dapp = world.dapp(ACCOUNT).await;
        let data = Bytes::from(vec![0; LARGEST - 200]);
        let call = Call { target: Address::repeat_byte(1), value: U256::ZERO, data };
        let mut large = dapp.draft(0, devkit::execute(&call));
        let (factory, data) = large.deploy.unwrap();
        let padded = [data.to_vec(), vec![0; LARGEST - data.len()]].concat();
        large.deploy = Some((factory, padded.into()));
        (large.gas.call, large.gas.verification, large.gas.pre_verification) = (3_000_000, 3_000_000, 3_000_000);
        let op = large.to_json(version);

        let stub = world.client.call("pm_getPaymasterStubData", stub_of(&world, &op)).await.unwrap();
        let answer = world.sponsor(&mut dapp, &op).await.unwrap();
        if version != V06 {
            let gas = |answer: &Value| answer["paymasterVerificationGasLimit"].as_str().unwrap().to_owned();
            assert_eq!(gas(&stub), gas(&answer["userOperation"]), "{version:?}");
        }
        assert!(world.chain.entry_point.handle_ops(&answer["userOperation"]).await.unwrap().success, "{version:?}");
    }
}

fn stub_of(world: &World, op: &Value) -> Value {
    json!([op, world.entry_point(), "0x7a69", { "accountId": ACCOUNT }])
}

/// The base fee of the latest block, in wei per gas.
async fn base_fee(world: &World) -> u128 {
    let block: Value =
        world.anvil.provider().raw_request("eth_getBlockByNumber".into(), ("latest", false)).await.unwrap();
    u128::from_str_radix(block["baseFeePerGas"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

#[tokio::test]
async fn an_operation_below_the_base_fee_is_refused_and_holds_no_place_until_that_falls() {
    for version in [V06, V07, V08, V09] {
        let world = World::new(version).await;
        let mut dapp = world.dapp(ACCOUNT).await;
        let base_fee = base_fee(&world).await;
        let paying = |max_fee_per_gas| Draft { max_fee_per_gas, max_priority_fee_per_gas: 0, ..draft(&dapp) };
        let (below, exactly) = (paying(base_fee - 1), paying(base_fee));
        for (op, used) in [(paying(0), 0), (below.clone(), base_fee - 1)] {
            let refusal = refused(&world, &mut dapp, &op).await;
            refusal.assert_is(-32602, "fee_too_low", true);
            assert_eq!(refusal.data["field"], "maxFeePerGas");
            assert_eq!(refusal.data["least"], base_fee.to_string());
            assert_eq!(refusal.data["used"], used.to_string());
        }
        assert!(world.reserved_rows().await.is_empty(), "a sponsorship of no cost is one as well");
        world.sponsor(&mut dapp, &exactly.to_json(version)).await.unwrap();

        world.release_all().await;
        world.anvil.mine(1).await.unwrap();
        world.sponsor(&mut dapp, &below.to_json(version)).await.unwrap();
    }
}
