//! Starting and ending nodes.

use std::path::Path;

use alloy_primitives::U256;
use alloy_provider::Provider;
use devkit::{Anvil, AnvilOptions, DevkitError, EntryPointVersion, Tools};

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

#[test]
fn versions_read_as_they_print_and_others_are_refused() {
    for version in EntryPointVersion::ALL {
        assert_eq!(version.to_string().parse::<EntryPointVersion>().unwrap(), version);
    }
    for other in ["", "0.5", "0.60", "v0.6", "0.10"] {
        assert!(other.parse::<EntryPointVersion>().is_err(), "{other}");
    }
}
