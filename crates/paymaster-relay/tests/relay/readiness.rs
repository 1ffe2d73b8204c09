//! A relay's report about itself: whether it accepts requests, and what a sponsorship lacks.

use std::path::Path;

use alloy_primitives::{Address, B256};
use devkit::EntryPointVersion::V07;
use devkit::{Anvil, AnvilOptions, PaymasterOptions, Tools};
use paymaster_relay::Deployment;
use paymaster_relay::chain::{ChainError, EntryPointReader as _, RpcChain};
use proto::{EntryPointVersion, Permissions};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};

use crate::support::{ACCOUNT, World, until};

/// An address without a contract.
const NOBODY: Address = Address::repeat_byte(0x77);

/// The chain's problem.
async fn reason(world: &World) -> String {
    world.problem("chain").await.expect("nothing is wrong")
}

async fn with(change: impl FnOnce(&World) -> Value) -> World {
    let mut world = World::new(V07).await;
    assert_eq!(world.problem("chain").await, None);
    let Value::Object(changed) = change(&world) else { unreachable!("sections of the settings") };
    world.settings.as_object_mut().unwrap().extend(changed);
    world.restarted().await
}

/// The deployment of these settings, with other contracts.
fn deployments(entry_point: Address, paymaster: Address) -> Value {
    json!({ "deployments": [{ "entry_point": entry_point, "version": "0.7", "paymaster": paymaster }] })
}

#[tokio::test]
async fn a_chain_without_our_contracts_is_not_ready_and_the_first_of_them_is_named() {
    let tools = Tools::locate(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
    let bare = Anvil::start(tools.anvil(), AnvilOptions::default()).await.unwrap();
    let world = with(|_| json!({ "chain": { "chain_id": 31337, "rpc_url": bare.url() } })).await;
    let entry_point = world.entry_point().to_lowercase();
    let expected =
        format!("chain 31337 has no contract at {entry_point}, which relay.deployments names as entry_point");
    assert_eq!(reason(&world).await.to_lowercase(), expected);
}

#[tokio::test]
async fn a_paymaster_that_is_not_there_is_named() {
    let world = with(|world| deployments(world.chain.entry_point.address(), NOBODY)).await;
    let reason = reason(&world).await.to_lowercase();
    assert!(reason.contains(&format!("{NOBODY:#x}")) && reason.ends_with("as paymaster"), "{reason}");
}

#[tokio::test]
async fn contracts_in_each_others_place_are_not_ready_and_the_one_that_does_not_answer_is_named() {
    let world = with(|world| deployments(world.paymaster.address(), world.chain.entry_point.address())).await;
    let reason = reason(&world).await;
    let expected =
        format!("the contract at {:#x} does not answer getNonce(address,uint192): ", world.paymaster.address());
    assert!(reason.to_lowercase().starts_with(&expected.to_lowercase()), "{reason}");
}

#[tokio::test]
async fn an_entry_point_of_another_version_is_named() {
    for version in devkit::EntryPointVersion::ALL {
        let world = World::new(version).await;
        assert_eq!(world.problem("chain").await, None);
        let right = *world.relay.parts.catalogue.deployments().next().unwrap();
        let settings = serde_json::from_value(world.settings["chain"].clone()).unwrap();
        let chain = RpcChain::new(&settings).unwrap();
        for other in EntryPointVersion::ALL.into_iter().filter(|other| *other != right.entry_point.version) {
            let entry_point = proto::EntryPoint { version: other, ..right.entry_point };
            let is_of_version = chain.is_of_version(&Deployment { entry_point, ..right }).await;
            assert!(matches!(is_of_version, Ok(false) | Err(ChainError::Contract { .. })), "{version:?} for {other}");
        }
    }
}

#[tokio::test]
async fn a_node_of_another_chain_is_not_ready_and_both_chains_are_named() {
    let chain = |world: &World| json!({ "chain": { "chain_id": 1, "rpc_url": world.settings["chain"]["rpc_url"] } });
    let world = with(chain).await;
    assert_eq!(
        reason(&world).await,
        "the node at relay.chain.rpc_url serves chain 31337, and relay.chain.chain_id is 1"
    );
}

#[tokio::test]
async fn a_contract_that_was_there_and_is_gone_is_named() {
    let world = World::new(V07).await;
    assert_eq!(world.problem("chain").await, None);
    let gone =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "anvil_setCode", "params": [world.paymaster.address(), "0x"] });
    let answer = devkit::http::client().post(world.anvil.url().clone()).json(&gone).send().await.unwrap();
    assert!(answer.text().await.unwrap().contains(r#""result":null"#));
    let reason = reason(&world).await.to_lowercase();
    assert!(
        reason.contains(&format!("{:#x}", world.paymaster.address())) && reason.ends_with("as paymaster"),
        "{reason}"
    );
}

#[tokio::test]
async fn nothing_is_missing_where_everything_is_there() {
    let world = World::new(V07).await;
    for check in world.relay.readiness.status().await {
        assert_eq!(check.problem, None, "{}", check.name);
    }
}

#[tokio::test]
async fn a_deposit_that_what_is_left_of_does_not_cover_the_dearest_operation_is_named_until_it_does() {
    // The policy allows an operation of 0.1 ether.
    let world = World::with(V07, 10u128.pow(17), |_| {}).await;
    assert_eq!(world.problem("deposit").await, None);
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    world.sponsor(&mut dapp, &op).await.unwrap();
    let problem = world.problem("deposit").await.expect("less is left than the policy allows").to_lowercase();
    let paymaster = format!("{:#x}", world.paymaster.address());
    let what = "the largest max_cost_per_operation of the policies, 100000000000000000 wei: deposit() more";
    for word in [paymaster.as_str(), "100000000 gwei", "3080000 gwei are reserved", what] {
        assert!(problem.contains(word), "{problem}");
    }
    let op = dapp.first_op(1);
    world.sponsor(&mut dapp, &op).await.expect("what costs less is sponsored");

    world.release_all().await;
    assert_eq!(world.problem("deposit").await, None);
}

#[tokio::test]
async fn a_deposit_whose_unproven_share_does_not_cover_an_operation_without_a_passkey_is_named() {
    let without_passkey = |percent: u8| {
        move |settings: &mut Value| {
            settings["reservations"] = json!({ "max_percent_unproven": percent });
            let policy =
                json!({ "id": "local", "max_cost_per_operation": "50000000000000000", "allow_without_passkey": true });
            settings["policies"].as_array_mut().unwrap().push(policy);
        }
    };
    let world = World::with(V07, 10u128.pow(18), without_passkey(4)).await;
    let problem = world.problem("deposit").await.unwrap();
    for words in ["1000000000 gwei", "4 percent", "max_percent_unproven", "allow_without_passkey, 50000000000000000"] {
        assert!(problem.contains(words), "{problem}");
    }
    let world = World::with(V07, 10u128.pow(18), without_passkey(5)).await;
    assert_eq!(world.problem("deposit").await, None);
}

#[tokio::test]
async fn a_relay_whose_database_takes_no_write_is_not_ready_until_there_is_room() {
    let world = World::new(V07).await;
    world.relay.readiness.ready().await.unwrap();
    let full = "CREATE TRIGGER full BEFORE INSERT ON claims
                BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END";
    sqlx::query(full).execute(&world.store.database().pool()).await.unwrap();
    let why = world.relay.readiness.ready().await.unwrap_err().to_string();
    assert!(why.contains("full"), "{why}");
    sqlx::query("DROP TRIGGER full").execute(&world.store.database().pool()).await.unwrap();
    world.relay.readiness.ready().await.unwrap();
}

#[tokio::test]
async fn a_relay_without_its_chain_or_kms_is_ready_and_says_what_it_lacks() {
    let world = World::new(V07).await;
    world.tee.down.store(true, std::sync::atomic::Ordering::SeqCst);
    world.relay.readiness.ready().await.unwrap();
    assert!(world.problem("kms").await.is_some());
    for check in ["relay_key", "signer", "ceilings"] {
        let problem = world.problem(check).await.unwrap();
        assert_eq!(problem, "unknown: the TEE's signers and ceilings could not be read, see tee", "{check}");
    }
    world.tee.down.store(false, std::sync::atomic::Ordering::SeqCst);

    let nobody = json!({ "chain_id": 31337, "rpc_url": "http://127.0.0.1:1" });
    let mut world = world;
    world.settings["chain"] = nobody;
    let world = world.restarted().await;
    world.relay.readiness.ready().await.unwrap();
    for check in ["clocks", "deposit"] {
        assert_eq!(
            world.problem(check).await.unwrap(),
            "unknown: it could not be read from the chain, see chain",
            "{check}"
        );
    }
}

#[tokio::test]
async fn another_relying_party_than_that_of_the_kms_is_named() {
    let mut world = World::new(V07).await;
    assert_eq!(world.problem("kms").await, None);
    world.settings["rp_id"] = "example.com".into();
    let problem = world.restarted().await.problem("kms").await.unwrap();
    assert!(problem.contains("\"example.org\" (kms.rp_id)") && problem.contains("\"example.com\""), "{problem}");
}

#[tokio::test]
async fn a_contract_or_a_tee_that_takes_narrower_windows_than_the_relay_asks_for_is_named() {
    let mut world = World::new(V07).await;
    assert_eq!(world.problem("window").await, None);
    world.tee.change_ceilings(|ceilings| ceilings.max_window = 1800);
    let problem = world.problem("window").await.unwrap();
    assert!(problem.contains("the TEE signs windows of 1800 s") && problem.contains("is 3600"), "{problem}");
    world.tee.change_ceilings(|ceilings| ceilings.max_window = 7200);
    world.settings["max_window_seconds"] = 7200.into();
    let world = world.restarted().await;
    let problem = world.problem("window").await.unwrap().to_lowercase();
    assert!(problem.contains(&format!("{:#x}", world.paymaster.address())), "{problem}");
    assert!(problem.contains("maxwindow = 3600 s") && problem.contains("is 7200"), "{problem}");
}

#[tokio::test]
async fn a_deployment_that_the_ceilings_lack_is_named_beside_one_that_they_have() {
    let mut world = World::new(V07).await;
    assert_eq!(world.problem("ceilings").await, None);
    let mut both = world.settings["deployments"].as_array().unwrap().clone();
    both.push(json!({ "entry_point": NOBODY, "version": "0.8", "paymaster": NOBODY }));
    world.settings["deployments"] = json!(both);
    let world = world.restarted().await;
    let problem = world.problem("ceilings").await.expect("the second is not in the ceilings").to_lowercase();
    let lacking = format!("lack chain 31337, entrypoint {NOBODY:#x} of version 0.8, paymaster {NOBODY:#x}, which");
    assert!(problem.contains(&lacking) && problem.contains("super-relay admin set-ceilings"), "{problem}");
    assert!(!problem.contains(&format!("{:#x}", world.paymaster.address())), "{problem}");
}

#[tokio::test]
async fn a_policy_that_allows_dearer_operations_than_the_ceilings_is_named() {
    let world = World::with(V07, 10u128.pow(18), |settings| {
        let dear = json!({ "id": "dear", "max_cost_per_operation": "200000000000000000" });
        settings["policies"].as_array_mut().unwrap().push(dear);
    })
    .await;
    assert_eq!(world.problem("ceilings").await, None);
    let ceiling = 10u128.pow(17);
    world.tee.change_ceilings(|ceilings| ceilings.max_cost = proto::Wei(ceiling));
    let problem = world.problem("ceilings").await.expect("one policy allows more");
    for words in ["policy \"dear\" (200000000000000000 wei)", "100000000000000000 wei (its ceiling maxCost)"] {
        assert!(problem.contains(words), "{problem}");
    }
    assert!(!problem.contains("default") && problem.contains("super-relay admin set-ceilings"), "{problem}");
    // All required changes are made by one command.
    world.tee.change_ceilings(|ceilings| {
        let mut deployments = ceilings.deployments.to_vec();
        deployments[0].paymaster = proto::Address([7; 20]);
        ceilings.deployments = proto::bytes::BoundedList::new(deployments).unwrap();
    });
    let both = world.problem("ceilings").await.unwrap();
    assert!(both.contains("which relay.deployments names") && both.contains(&problem), "{both}");
}

#[tokio::test]
async fn a_policy_without_passkeys_whose_permission_the_relay_key_lacks_is_named_until_it_is_given() {
    let world = World::with(V07, 10u128.pow(18), |settings| {
        let open = json!({ "id": "open", "max_cost_per_operation": "1", "allow_without_passkey": true });
        settings["policies"].as_array_mut().unwrap().push(open);
    })
    .await;
    let key = world.relay_key.address().await;
    let problem = world.problem("relay_key").await.expect("the key lacks the permission");
    let admin = "super-relay admin --kms http://kms.test:3002 --tee-id ID";
    let command = format!(
        "{admin} revoke {key}, then {admin} authorize {key} --permissions sponsor,sponsor_without_passkey,rotate"
    );
    for words in ["allow_without_passkey of policy \"open\"", &command] {
        assert!(problem.contains(words), "{problem}");
    }
    world.permit_without_passkey().await;
    assert_eq!(world.problem("relay_key").await, None);
}

#[tokio::test]
async fn a_relay_key_that_is_authorised_for_other_things_is_told_apart_from_an_unknown_one() {
    let world = World::new(V07).await;
    let key = world.relay_key.address().await;
    world.tee.revoke(key);
    let problem = world.problem("relay_key").await.unwrap();
    let admin = "super-relay admin --kms http://kms.test:3002 --tee-id ID";
    assert!(problem.ends_with(&format!("{admin} authorize {key}")), "{problem}");
    world.tee.authorise(key, Permissions::ROTATE);
    let problem = world.problem("relay_key").await.unwrap();
    let command = format!("{admin} revoke {key}, then {admin} authorize {key} --permissions sponsor,rotate");
    assert!(problem.contains("without the permission sponsor") && problem.ends_with(&command), "{problem}");
}

#[tokio::test]
async fn a_signer_that_is_proposed_is_told_with_the_time_from_which_it_can_be_activated() {
    let world = World::new(V07).await;
    let tools = Tools::locate(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
    let options = PaymasterOptions { activation_delay_seconds: 86_400, ..PaymasterOptions::default() };
    let slow = devkit::Paymaster::deploy_with(&world.anvil, &tools, &world.chain.entry_point, &options).await.unwrap();
    let mut world = world;
    world.settings["deployments"][0]["paymaster"] = json!(slow.address());
    let world = world.restarted().await;
    let problem = world.problem("signer").await.unwrap();
    assert!(problem.ends_with("propose and activate it"), "{problem}");

    let address = Address::new(world.tee.paymaster_signer().0);
    let signer = devkit::TeeSigner { address, measurement: B256::repeat_byte(1), tee_id: B256::repeat_byte(2) };
    slow.propose_signer(&signer).await.unwrap();
    let activatable_at = slow.signer(address).await.unwrap().unwrap().proposed_at + 86_400;
    let problem = world.problem("signer").await.unwrap();
    let when = format!("it is proposed and can be activated in 86400 s (at Unix time {activatable_at})");
    assert!(problem.contains(&when), "{problem}");
    world.pass(86_400).await;
    let problem = world.problem("signer").await.unwrap();
    assert!(problem.contains("can be activated now: activateSigner(0x"), "{problem}");
    slow.activate_signer(address).await.unwrap();
    assert_eq!(world.problem("signer").await, None);
}

#[tokio::test]
async fn a_probe_is_answered_while_its_own_write_waits_for_the_lock_of_the_database() {
    let world = World::new(V07).await;
    world.relay.readiness.ready().await.unwrap();
    let options = SqliteConnectOptions::new().filename(world.settings["database"].as_str().unwrap());
    let mut elsewhere = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut elsewhere).await.unwrap();
    for _ in 0..2 {
        let problem = world.relay.readiness.ready().await.unwrap_err().to_string();
        // A write that has ended, without the lock, gives another error.
        assert!(problem.starts_with("no write has succeeded for"), "{problem}");
    }
    sqlx::query("ROLLBACK").execute(&mut elsewhere).await.unwrap();
    until(async || world.relay.readiness.ready().await.is_ok()).await;
}
