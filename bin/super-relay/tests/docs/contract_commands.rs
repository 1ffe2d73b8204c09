//! The commands of docs/operations.md for the paymaster contract, run in order against a local
//! chain.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use alloy_provider::Provider as _;
use alloy_signer_local::PrivateKeySigner;
use devkit::{Anvil, AnvilOptions, EntryPointVersion, Tools};

use super::markdown::blocks;
use super::project;

const PAGE: &str = "docs/operations.md";
/// Each byte of the owner's key.
const OWNER: u8 = 9;
/// A key that some TEE has, and what is attested of it.
const SIGNER: &str = "0x1111111111111111111111111111111111111111";
const MEASUREMENT: &str = "0x2222222222222222222222222222222222222222222222222222222222222222";
const TEE_ID: &str = "0x3333333333333333333333333333333333333333333333333333333333333333";

#[tokio::test]
async fn the_commands_for_the_paymaster_contract_put_one_into_service_and_stop_it() {
    let tools = Tools::locate(&project::root()).unwrap();
    let anvil = Anvil::start(tools.anvil(), AnvilOptions::default()).await.unwrap();
    let chain = devkit::deploy(&anvil, &tools, EntryPointVersion::V07).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let owner_key = folder.path().join("owner.key");
    std::fs::write(&owner_key, hex::encode([OWNER; 32])).unwrap();
    std::fs::set_permissions(&owner_key, Permissions::from_mode(0o600)).unwrap();
    let owner = PrivateKeySigner::from_slice(&[OWNER; 32]).unwrap().address();
    let balance = serde_json::json!([owner, "0x56bc75e2d63100000"]);
    let _: serde_json::Value = anvil.provider().raw_request("anvil_setBalance".into(), balance).await.unwrap();

    let page = project::read(PAGE);
    let blocks: Vec<_> = blocks(&page).into_iter().filter(|block| block.info == ["sh", "contract"]).collect();
    let [deploy, admit, stop] = &blocks[..] else { panic!("{PAGE}: {} blocks of commands", blocks.len()) };
    let found = "contracts status --paymaster \"$PAYMASTER\" --signer \"$SIGNER\" | jq -c '.paymaster | [.signer.active, .paused]'";
    let script = [&deploy.text, found, &admit.text, found, &stop.text, found].join("\n");
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(folder.path())
        .env("PATH", project::path_with_super_relay())
        .env("ETH_RPC_URL", anvil.url().as_str())
        .env("CHAIN_ID", "31337")
        .env("OWNER_KEY", &owner_key)
        .env("ENTRY_POINT_VERSION", chain.entry_point.version().to_string())
        .env("OWNER", owner.to_string())
        .env("GUARDIAN", anvil.bundler().to_string())
        .env("ACTIVATION_DELAY", "0")
        .env("MAX_WINDOW", "3600")
        .envs([("SIGNER", SIGNER), ("MEASUREMENT", MEASUREMENT), ("TEE_ID", TEE_ID)])
        .output()
        .unwrap();

    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let truths: Vec<_> = said.lines().filter(|line| line.starts_with('[') && line.ends_with(']')).collect();
    assert_eq!(truths, ["[false,false]", "[true,false]", "[false,true]"], "{said}");
    for told in [MEASUREMENT, TEE_ID, "\"deposit\": \"1000000000000000000\"", "\"stake\": \"100000000000000000\""] {
        assert!(said.contains(told), "{told}: {said}");
    }
}
