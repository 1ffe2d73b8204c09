//! The demo, as somebody new runs it.

use devkit::EntryPointVersion;

use crate::support::{project, run};

on_every_version! { the_demo_ends_with_an_operation_on_the_chain }

async fn the_demo_ends_with_an_operation_on_the_chain(version: EntryPointVersion) {
    let project = project();

    let output = run(&["demo", "--entrypoint", &version.to_string(), "--project", project.to_str().unwrap()]).await;

    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for step in ["passkey", "TEE", "handleOps in transaction 0x", "balance 0 wei", "the operation succeeded on chain"] {
        assert!(said.contains(step), "{step}: {said}");
    }
}

on_every_version! { the_demo_with_a_local_key_ends_with_an_operation_on_the_chain }

async fn the_demo_with_a_local_key_ends_with_an_operation_on_the_chain(version: EntryPointVersion) {
    let (project, version) = (project(), version.to_string());
    let arguments = ["demo", "--local-key", "--entrypoint", &version, "--project", project.to_str().unwrap()];

    let output = run(&arguments).await;

    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for step in ["a key of the client's own", "answered pm_getPaymasterData", "the operation succeeded on chain"] {
        assert!(said.contains(step), "{step}: {said}");
    }
}

#[tokio::test]
async fn a_version_that_does_not_exist_is_refused_with_those_that_do() {
    let output = run(&["demo", "--entrypoint", "0.5"]).await;

    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("0.6, 0.7, 0.8 or 0.9"));
}
