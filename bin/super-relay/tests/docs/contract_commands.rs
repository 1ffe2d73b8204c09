//! The commands of docs/operations.md for the paymaster contract, run in order against a local
//! chain.

use std::process::Command;

use devkit::{Anvil, AnvilOptions, EntryPointVersion, Tools};

use super::markdown::blocks;
use super::project;

const PAGE: &str = "docs/operations.md";
/// A key that some TEE has, and what is attested of it.
const SIGNER: &str = "0x1111111111111111111111111111111111111111";
const MEASUREMENT: &str = "0x2222222222222222222222222222222222222222222222222222222222222222";
const TEE_ID: &str = "0x3333333333333333333333333333333333333333333333333333333333333333";

#[tokio::test]
async fn the_commands_for_the_paymaster_contract_put_one_into_service_and_stop_it() {
    let tools = Tools::locate(&project::root()).unwrap();
    let anvil = Anvil::start(tools.anvil(), AnvilOptions::default()).await.unwrap();
    let chain = devkit::deploy(&anvil, &tools, EntryPointVersion::V07).await.unwrap();
    let owner = anvil.deployer().to_string();

    let page = project::read(PAGE);
    let blocks: Vec<_> = blocks(&page).into_iter().filter(|block| block.info == ["sh", "contract"]).collect();
    let [deploy, admit, stop] = &blocks[..] else { panic!("{PAGE}: {} blocks of commands", blocks.len()) };
    let found = "call 'isActiveSigner(address)(bool)' \"$SIGNER\"; call 'paused()(bool)'";
    let script = [&deploy.text, found, &admit.text, found, &stop.text, found].join("\n");
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(project::root().join("contracts"))
        .env("ETH_RPC_URL", anvil.url().as_str())
        .env("WALLET", format!("--unlocked --from {owner}"))
        .env("ENTRY_POINT", chain.entry_point.address().to_string())
        .env("OWNER", &owner)
        .env("GUARDIAN", anvil.bundler().to_string())
        .env("ACTIVATION_DELAY", "0")
        .env("MAX_WINDOW", "3600")
        .envs([("SIGNER", SIGNER), ("MEASUREMENT", MEASUREMENT), ("TEE_ID", TEE_ID)])
        .output()
        .unwrap();

    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let truths: Vec<_> = said.lines().filter(|line| ["true", "false"].contains(line)).collect();
    // Active and paused: after the first block, by the second's own command and after it, at last.
    assert_eq!(truths, ["false", "false", "true", "true", "false", "false", "true"], "{said}");
    for told in [MEASUREMENT, TEE_ID, "1000000000000000000 [1e18]"] {
        assert!(said.contains(told), "{told}: {said}");
    }
}
