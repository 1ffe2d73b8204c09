//! Starting and ending nodes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use alloy_primitives::U256;
use alloy_provider::Provider;
use devkit::{Anvil, AnvilOptions, DevkitError, EntryPointVersion, Tools, deploy};

use crate::support::{ETHER, anvil, balance};

#[tokio::test]
async fn two_nodes_run_side_by_side_with_the_chain_ids_asked_for() {
    let (one, other) = tokio::join!(anvil(31337), anvil(11155111));

    assert_ne!(one.url(), other.url());
    assert_eq!(one.url().host_str(), Some("127.0.0.1"));
    assert_eq!(one.provider().get_chain_id().await.unwrap(), 31337);
    assert_eq!(other.provider().get_chain_id().await.unwrap(), 11155111);
    let rich = U256::from(10_000) * U256::from(ETHER);
    for account in one.accounts() {
        assert_eq!(balance(&one, *account).await, rich);
    }
}

#[tokio::test]
async fn a_dropped_node_is_gone() {
    let node = anvil(31337).await;
    let (process, provider) = (node.process_id(), node.provider().clone());
    assert!(Path::new(&format!("/proc/{process}")).exists());

    drop(node);

    assert!(!Path::new(&format!("/proc/{process}")).exists());
    assert!(provider.get_chain_id().await.is_err());
}

#[tokio::test]
async fn a_binary_that_is_not_anvil_is_reported_in_its_own_words() {
    let error = Anvil::start(Path::new("/bin/ls"), AnvilOptions::default()).await.unwrap_err();

    let DevkitError::AnvilDidNotStart { detail } = error else { panic!("{error}") };
    assert!(detail.contains("--host"), "{detail}");
}

#[test]
fn missing_tools_are_a_failure_that_says_what_to_run() {
    let error = Tools::locate(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap_err();

    assert!(matches!(error, DevkitError::ToolMissing { .. }), "{error}");
    assert!(error.to_string().ends_with("run scripts/node-tools"), "{error}");
}

#[tokio::test]
async fn code_of_the_entry_point_v09_that_is_not_mainnets_is_refused() {
    let (project, another) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), tempfile::tempdir().unwrap());
    let (theirs, ours) = (project.join("contracts"), another.path().join("contracts"));
    fs::create_dir_all(ours.join("node_modules/hardhat-predeploy/bin")).unwrap();
    for path in ["out", "node_modules/.bin", "node_modules/aa-v06", "node_modules/aa-v07", "node_modules/aa-v08"] {
        symlink(theirs.join(path), ours.join(path)).unwrap();
    }
    symlink(theirs.join("node_modules/aa-v09"), ours.join("node_modules/aa-v09")).unwrap();
    let file = format!("node_modules/hardhat-predeploy/bin/{}.bytecode", EntryPointVersion::V09.canonical_address());
    let mut code = fs::read(theirs.join(&file)).unwrap();
    *code.last_mut().unwrap() ^= 1;
    fs::write(ours.join(&file), code).unwrap();

    let tools = Tools::locate(another.path()).unwrap();
    let error = deploy(&anvil(31337).await, &tools, EntryPointVersion::V09).await.unwrap_err();

    let DevkitError::BadArtifact { path, detail } = error else { panic!("{error}") };
    assert_eq!(path, ours.join(&file));
    assert!(detail.ends_with("not 0xf0d229c3dc08a14b41cbd87911c96f9180a55c63aabae897a13aa6cf6f64299a"), "{detail}");
}

#[test]
fn versions_read_as_they_print_and_others_are_refused() {
    for version in EntryPointVersion::ALL {
        assert_eq!(version.to_string().parse::<EntryPointVersion>().unwrap(), version);
    }
    for other in ["", "0.5", "0.60", "v0.6", "0.10"] {
        assert!(other.parse::<EntryPointVersion>().is_err(), "{other}");
    }
}
