//! Under `targets` the account's code has to be known: real accounts, and contracts that look like
//! them and do something else.

use alloy_primitives::{Address, B256, Bytes, U256, address, b256, hex, keccak256};
use alloy_provider::Provider;
use alloy_sol_types::{SolCall, sol};
use devkit::EntryPointVersion::{self, V06, V07, V08, V09};
use devkit::user_operation::Draft;
use devkit::{Call, execute, execute_batch};
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Dapp, Fault, Node, Refusal, World};

const ETHER: u128 = 10u128.pow(18);
const TARGET: Address = Address::repeat_byte(0xaa);
/// Where the tests put the contract below.
const LIAR: Address = Address::repeat_byte(0x1a);
/// An account that is no account: `execute` ignores its arguments and writes 1 to its slot 0;
/// everything else, `validateUserOp` as well, returns 0.
///
/// ```text
/// if (selector == 0xb61d27f6) sstore(0, 1) else return 0
/// ```
const IGNORES_ITS_ARGUMENTS: [u8; 27] = hex!("60003560e01c63b61d27f61460145760206000f35b600160005500");
/// ERC-1967.
const IMPLEMENTATION: B256 = b256!("360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc");
/// solady 0.1.26, `LibClone.deployERC1967`.
const SOLADY: [u8; 61] = hex!(
    "363d3d373d3d363d7f360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc545af43d6000803e6038573d6000fd5b3d6000f3"
);

sol! {
    function accountImplementation() view returns (address);
    function upgradeToAndCall(address newImplementation, bytes data);
}

async fn world(version: EntryPointVersion, change: impl FnOnce(&mut Value)) -> World {
    World::with(version, ETHER, |settings| {
        let policy = &mut settings["policies"][0];
        policy["targets"] = json!([{ "address": TARGET }]);
        // Of v0.9's release candidate: where 0x4e59b448… makes it with salt 0.
        policy["factories"] = json!([
            "0x9406Cc6185a346906296840746125a0E44976454",
            "0x91E60e0613810449d098b0b5Ec8b51A0FE8c8985",
            "0x13E9ed32155810FDbd067D4522C492D6f68E5944",
            LYING_FACTORY,
            LIAR,
        ]);
        change(settings);
    })
    .await
}

async fn set_code(world: &World, address: Address, code: impl Into<Bytes>) {
    let params = (address, code.into());
    let _: Value = world.anvil.provider().raw_request("anvil_setCode".into(), params).await.unwrap();
}

async fn set_slot(world: &World, address: Address, slot: B256, value: B256) {
    let params = (address, slot, value);
    let _: Value = world.anvil.provider().raw_request("anvil_setStorageAt".into(), params).await.unwrap();
}

async fn code(world: &World, address: Address) -> Bytes {
    world.anvil.provider().get_code_at(address).await.unwrap()
}

fn calling(target: Address) -> Bytes {
    execute(&Call { target, value: U256::ZERO, data: Bytes::new() })
}

async fn mined(world: &World, op: &Draft, dapp: &mut Dapp) {
    let answer = world.sponsor(dapp, &op.to_json(dapp.version)).await.unwrap();
    assert!(world.chain.entry_point.handle_ops(&answer["userOperation"]).await.unwrap().success);
}

/// Refused before and after the touch, with the same reason, and nothing is signed.
async fn refused(world: &World, dapp: &mut Dapp, op: &Draft) -> Refusal {
    let op = op.to_json(dapp.version);
    let before = world.sponsorships();
    let stub = json!([op, world.entry_point(), "0x7a69", { "accountId": ACCOUNT }]);
    let stub = world.client.call("pm_getPaymasterStubData", stub).await.unwrap_err();
    let refusal = world.sponsor(dapp, &op).await.unwrap_err();
    assert_eq!(stub.reason(), refusal.reason());
    assert_eq!(world.sponsorships(), before);
    refusal
}

fn assert_tells_the_code(refusal: &Refusal, address: Address, code: &[u8]) {
    refusal.assert_is(-32501, "account_code_not_allowed", false);
    assert_eq!(refusal.data["rule"], "account_codes");
    assert!(refusal.message.contains(&address.to_checksum(None)), "{refusal:?}");
    assert!(refusal.message.contains(&keccak256(code).to_string()), "{refusal:?}");
}

/// A second operation with the account deployed, of the same dApp.
fn later(dapp: &Dapp, key: u64, call_data: Bytes) -> Draft {
    Draft { deploy: None, ..dapp.draft(key, call_data) }
}

#[tokio::test]
async fn simple_accounts_of_every_version_are_made_and_call_listed_targets() {
    for version in [V06, V07, V08, V09] {
        let listed = world(version, |_| {}).await;
        let factory = listed.chain.account_factory.address();
        let world = match version {
            V09 => world(version, |settings| settings["policies"][0]["factories"] = json!([factory])).await,
            V06 | V07 | V08 => listed,
        };
        let mut dapp = world.dapp(ACCOUNT).await;
        mined(&world, &dapp.draft(0, calling(TARGET)), &mut dapp).await;
        let two = [TARGET, TARGET].map(|target| Call { target, value: U256::ZERO, data: Bytes::new() });
        mined(&world, &later(&dapp, 1, execute_batch(version, &two).unwrap()), &mut dapp).await;

        // Its listed hashes are those of the code that its npm package deploys.
        let known = include_str!("../../src/account_code/known.rs");
        let ask = alloy_rpc_types_eth::TransactionRequest::default()
            .to(factory)
            .input(alloy_rpc_types_eth::TransactionInput::new(accountImplementationCall {}.abi_encode().into()));
        let answer = world.anvil.provider().call(ask).await.unwrap();
        let implementation = Address::from_slice(&answer[12..]);
        for address in [Some(implementation), Some(dapp.sender), world.chain.delegate].into_iter().flatten() {
            let hash = keccak256(code(&world, address).await);
            assert!(known.contains(&hex::encode(hash)), "{version:?}: {address} has {hash}");
        }
    }
}

/// What the rule prevents, and that it does.
#[tokio::test]
async fn a_contract_whose_execute_ignores_its_arguments_is_sponsored_only_if_any_code_is() {
    for (any, version) in [(true, V07), (false, V06), (false, V07), (false, V08), (false, V09)] {
        let world = world(version, |settings| settings["policies"][0]["any_account_code"] = json!(any)).await;
        set_code(&world, LIAR, IGNORES_ITS_ARGUMENTS).await;
        let mut dapp = world.dapp(ACCOUNT).await;
        let op = Draft { sender: LIAR, deploy: None, ..dapp.draft(0, calling(TARGET)) };
        if any {
            mined(&world, &op, &mut dapp).await;
            let written = world.anvil.provider().get_storage_at(LIAR, U256::ZERO).await.unwrap();
            assert_eq!(written, U256::from(1), "something else was paid for");
        } else {
            assert_tells_the_code(&refused(&world, &mut dapp, &op).await, LIAR, &IGNORES_ITS_ARGUMENTS);
        }
    }
}

#[tokio::test]
async fn a_proxy_is_as_good_as_its_implementation() {
    let world = world(V07, |_| {}).await;
    set_code(&world, LIAR, IGNORES_ITS_ARGUMENTS).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    mined(&world, &dapp.draft(0, calling(TARGET)), &mut dapp).await;
    let known_proxy = code(&world, dapp.sender).await;
    let slot = world.anvil.provider().get_storage_at(dapp.sender, IMPLEMENTATION.into()).await.unwrap();
    let simple_account = Address::from_word(slot.into());

    let minimal = |to: Address| {
        let after = hex!("5af43d82803e903d91602b57fd5bf3");
        [&hex!("363d3d373d3d3d363d73")[..], to.as_slice(), &after, b"arguments"].concat()
    };
    let proxy = Address::repeat_byte(0x2b);
    // Of another nonce each time: what is signed is not judged again.
    let of_proxy = |dapp: &Dapp, key: usize| {
        let key = u64::try_from(key).unwrap();
        Draft { sender: proxy, deploy: None, ..dapp.draft(key, calling(TARGET)) }
    };
    for (implementation, is_known) in [(simple_account, true), (LIAR, false)] {
        set_slot(&world, proxy, IMPLEMENTATION, implementation.into_word()).await;
        let with_arguments = [&SOLADY[..], b"arguments"].concat();
        let proxies = [known_proxy.to_vec(), SOLADY.to_vec(), with_arguments, minimal(implementation)];
        for (key, code) in proxies.into_iter().enumerate() {
            set_code(&world, proxy, code).await;
            let op = of_proxy(&dapp, if is_known { key } else { 10 + key });
            if is_known {
                world.sponsor(&mut dapp, &op.to_json(V07)).await.unwrap();
            } else {
                assert_tells_the_code(&refused(&world, &mut dapp, &op).await, LIAR, &IGNORES_ITS_ARGUMENTS);
            }
        }
    }
    // The slot of a contract that does not use it says nothing.
    set_slot(&world, proxy, IMPLEMENTATION, simple_account.into_word()).await;
    let other = [&known_proxy[..], &[0]].concat();
    set_code(&world, proxy, other.clone()).await;
    let op = of_proxy(&dapp, 20);
    assert_tells_the_code(&refused(&world, &mut dapp, &op).await, proxy, &other);

    // After an upgrade.
    set_slot(&world, dapp.sender, IMPLEMENTATION, LIAR.into_word()).await;
    let op = later(&dapp, 1, calling(TARGET));
    assert_tells_the_code(&refused(&world, &mut dapp, &op).await, LIAR, &IGNORES_ITS_ARGUMENTS);
}

/// Where [`lying_factory`] is put.
const LYING_FACTORY: Address = address!("fac0000000000000000000000000000000000fac");

/// A factory that, whatever it is asked for, makes the lying contract (CREATE2, salt 0), and the
/// address of that.
fn lying_factory() -> (Vec<u8>, Address) {
    let length = u8::try_from(IGNORES_ITS_ARGUMENTS.len()).unwrap();
    // PUSH1 length, DUP1, PUSH1 11, PUSH1 0, CODECOPY, PUSH1 0, RETURN
    let creation = [&[0x60, length, 0x80, 0x60, 11, 0x60, 0, 0x39, 0x60, 0, 0xf3][..], &IGNORES_ITS_ARGUMENTS].concat();
    let length = u8::try_from(creation.len()).unwrap();
    let head = [
        &[0x60, length, 0x60, 29, 0x60, 0, 0x39][..],     // CODECOPY(0, 29, length)
        &[0x60, 0, 0x60, length, 0x60, 0, 0x60, 0, 0xf5], // CREATE2(0, 0, length, 0)
        &[0x60, 0, 0x52, 0x60, 32, 0x60, 0, 0xf3],        // return it
        &[0, 0, 0, 0, 0],
    ]
    .concat();
    assert_eq!(head.len(), 29);
    ([&head[..], &creation].concat(), LYING_FACTORY.create2_from_code(B256::ZERO, creation))
}

#[tokio::test]
async fn a_factory_that_leaves_other_code_is_refused_though_it_is_listed() {
    for version in [V06, V07, V08, V09] {
        let world = world(version, |_| {}).await;
        let (factory, account) = lying_factory();
        set_code(&world, LYING_FACTORY, factory).await;
        let mut dapp = world.dapp(ACCOUNT).await;
        let deploy = Some((LYING_FACTORY, Bytes::from_static(&[1])));
        let op = Draft { sender: account, deploy, ..dapp.draft(0, calling(TARGET)) };
        assert_tells_the_code(&refused(&world, &mut dapp, &op).await, account, &IGNORES_ITS_ARGUMENTS);
        assert!(code(&world, account).await.is_empty());
    }
}

#[tokio::test]
async fn where_the_node_does_not_simulate_a_new_account_is_refused_and_a_deployed_one_is_not() {
    let mut node = None;
    let world = world(V07, |settings| node = Some(Node::within(settings))).await;
    let node = node.unwrap();
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.draft(0, calling(TARGET));
    const NOT_FOUND: &str = r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32601,"message":"method not found"}}"#;
    node.fail(Fault::Rewrites(|question, answer| {
        if question["method"] == "eth_simulateV1" {
            let id = answer["id"].clone();
            *answer = serde_json::from_str(NOT_FOUND).unwrap();
            answer["id"] = id;
        }
    }));
    refused(&world, &mut dapp, &op).await.assert_is(-32501, "account_code_unknown", false);

    node.fail(Fault::None);
    mined(&world, &op, &mut dapp).await;
    node.fail(Fault::AnswersTo(|body| body.contains("eth_simulateV1"), NOT_FOUND));
    mined(&world, &later(&dapp, 1, calling(TARGET)), &mut dapp).await;
}

#[tokio::test]
async fn a_function_of_another_kind_of_account_is_refused() {
    let world = world(V07, |_| {}).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let two = [TARGET, TARGET].map(|target| Call { target, value: U256::ZERO, data: Bytes::new() });
    let wrapped = [&hex!("8dd7712f")[..], &calling(TARGET)].concat();
    for other in [execute_batch(V06, &two).unwrap(), execute_batch(V08, &two).unwrap(), wrapped.into()] {
        let op = dapp.draft(0, other);
        refused(&world, &mut dapp, &op).await.assert_is(-32501, "call_not_of_account", false);
    }
    let upgrade = upgradeToAndCallCall { newImplementation: LIAR, data: Bytes::new() }.abi_encode();
    let to_itself = execute(&Call { target: dapp.sender, value: U256::ZERO, data: upgrade.into() });
    let op = dapp.draft(0, to_itself);
    refused(&world, &mut dapp, &op).await.assert_is(-32501, "target_not_allowed", false);
    mined(&world, &dapp.draft(0, execute_batch(V07, &two).unwrap()), &mut dapp).await;
}

#[tokio::test]
async fn a_delegates_code_has_to_be_known_however_the_operation_brings_it() {
    let world = world(V08, |settings| {
        let factories = settings["policies"][0]["factories"].as_array_mut().unwrap();
        factories.push(json!("0xe6Cae83BdE06E4c305530e199D7217f42808555B"));
    })
    .await;
    set_code(&world, LIAR, IGNORES_ITS_ARGUMENTS).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let known = world.chain.delegate.unwrap();
    let designator = |to: Address| [&hex!("ef0100")[..], to.as_slice()].concat();
    let sender = Address::repeat_byte(0x77);
    let op = Draft { sender, deploy: None, ..dapp.draft(0, calling(TARGET)) }.to_json(V08);
    let authorised = |to: Address, factory: bool| {
        let mut op = op.clone();
        let (r, s) = (B256::repeat_byte(0x11), B256::repeat_byte(0x22));
        op["eip7702Auth"] =
            json!({ "address": to, "chainId": "0x7a69", "nonce": "0x0", "r": r, "s": s, "yParity": "0x0" });
        if factory {
            op["factory"] = json!("0x7702");
        }
        op
    };
    let mut nonce = U256::ZERO;
    for (to, is_known) in [(known, true), (LIAR, false)] {
        for (now, mut op) in [
            (None, authorised(to, true)),
            (None, authorised(to, false)),
            (Some(to), op.clone()),
            // What it runs now counts too, unless the hash covers what it will run.
            (Some(to), authorised(known, false)),
        ] {
            // What is signed is not judged again.
            nonce += U256::from(1) << 64;
            op["nonce"] = json!(nonce);
            set_code(&world, sender, now.map(designator).unwrap_or_default()).await;
            let answer = world.sponsor(&mut dapp, &op).await;
            if is_known {
                answer.unwrap();
            } else {
                assert_tells_the_code(&answer.unwrap_err(), LIAR, &IGNORES_ITS_ARGUMENTS);
            }
        }
    }
}

#[tokio::test]
async fn a_policy_may_list_code_and_proxies_of_its_own() {
    let of_other = hex!("60006000fd");
    let world = world(V07, |settings| {
        let policy = &mut settings["policies"][0];
        let hash = keccak256(IGNORES_ITS_ARGUMENTS);
        policy["account_codes"] = json!([{ "code_hash": hash, "functions": "simple_account_v07" }]);
        policy["account_proxies"] = json!([keccak256(of_other)]);
    })
    .await;
    set_code(&world, LIAR, IGNORES_ITS_ARGUMENTS).await;
    let proxy = Address::repeat_byte(0x2b);
    set_code(&world, proxy, of_other).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    for sender in [LIAR, proxy] {
        let op = Draft { sender, deploy: None, ..dapp.draft(0, calling(TARGET)) };
        if sender == proxy {
            // It has no implementation yet.
            assert_tells_the_code(&refused(&world, &mut dapp, &op).await, Address::ZERO, &[]);
            set_slot(&world, proxy, IMPLEMENTATION, LIAR.into_word()).await;
        }
        world.sponsor(&mut dapp, &op.to_json(V07)).await.unwrap();
    }
}
