//! Client libraries as published, against the node: the tests themselves are in tests/clients, in JavaScript.

use std::process::Stdio;
use std::time::Duration;

use devkit::EntryPointVersion;
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{Bystander, ORIGIN, Setup, World, client_tests};

/// A suite starts up, then waits for a handful of operations to be mined.
const PATIENCE: Duration = Duration::from_secs(300);

on_versions! { the_recipe_of_the_docs_works: v06 V06, v07 V07, v08 V08 }

async fn the_recipe_of_the_docs_works(version: EntryPointVersion) {
    let world = World::start(version).await;
    let bundler = Bystander::start("bundler/start.mjs", &[world.anvil.url().as_str()]).await;

    pass(&world, &bundler, "recipe.test.mjs").await;
}

on_versions! { viems_paymaster_client_sponsors_a_local_key: v06 V06, v07 V07, v08 V08 }

async fn viems_paymaster_client_sponsors_a_local_key(version: EntryPointVersion) {
    let world = Setup::of(version).without_passkey().start().await;
    let bundler = Bystander::start("bundler/start.mjs", &[world.anvil.url().as_str()]).await;

    pass(&world, &bundler, "local-key.test.mjs").await;
}

/// Runs a suite of tests/clients in that world.
async fn pass(world: &World, bundler: &Bystander, suite: &str) {
    let running = Command::new("node")
        .args(["--test", "--test-reporter=spec", suite])
        .current_dir(client_tests())
        .env("RPC", world.rpc().url())
        .env("KMS", world.kms().url())
        .env("CHAIN", world.anvil.url().as_str())
        .env("BUNDLER", bundler.url())
        .env("ORIGIN", ORIGIN)
        .env("PAYMASTER", world.paymaster.address().to_string())
        .env("ENTRY_POINT_VERSION", world.version().to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, running).await.unwrap_or_else(|_| panic!("{suite} does not end")).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{suite}: {said}{}", String::from_utf8_lossy(&output.stderr));
}
