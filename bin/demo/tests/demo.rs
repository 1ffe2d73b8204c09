//! The demo, as somebody new runs it. `super-relay` has to be built beside it: test both packages, or the workspace.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what can't be done fails")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

const VERSIONS: [&str; 4] = ["0.6", "0.7", "0.8", "0.9"];

fn run(arguments: &[&str]) -> Output {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_demo"));
    demo.args(arguments).arg("--project").arg(project).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn shows(output: &Output, steps: &[&str]) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for step in steps {
        assert!(text.contains(step), "{step}: {text}");
    }
}

#[test]
fn the_demo_ends_with_an_operation_on_the_chain_of_every_version() {
    for version in VERSIONS {
        let steps =
            ["passkey", "TEE", "handleOps in transaction 0x", "balance 0 wei", "the operation succeeded on chain"];
        shows(&run(&["--entrypoint", version]), &steps);
    }
}

#[test]
fn the_demo_with_a_local_key_ends_with_an_operation_on_the_chain_of_every_version() {
    for version in VERSIONS {
        let steps = ["a key of the client's own", "answered pm_getPaymasterData", "the operation succeeded on chain"];
        shows(&run(&["--local-key", "--entrypoint", version]), &steps);
    }
}

#[test]
fn a_version_that_does_not_exist_is_refused_with_those_that_do() {
    let output = run(&["--entrypoint", "0.5"]);

    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("0.6, 0.7, 0.8 or 0.9"));
}

#[test]
fn a_missing_product_is_named() {
    let output = run(&["--super-relay", "/nonexistent/super-relay"]);

    assert!(!output.status.success());
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(problem.contains("/nonexistent/super-relay is missing"), "{problem}");
}
