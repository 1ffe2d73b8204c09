//! Client libraries as published, against the node: the tests themselves are in tests/clients, in
//! JavaScript.

use std::process::Stdio;
use std::time::Duration;

use devkit::EntryPointVersion;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{Bystander, ORIGIN, Setup, World, client_tests, run};

/// A suite starts up, then waits for a handful of operations to be mined.
const PATIENCE: Duration = Duration::from_secs(300);
const IDLE_SECONDS: u64 = 50 * 60;
const API_KEY: &str = "srk_of-the-client-tests";

on_versions! { the_recipe_of_the_docs_works: v06 V06, v07 V07, v08 V08 }

async fn the_recipe_of_the_docs_works(version: EntryPointVersion) {
    let world = World::start(version).await;
    let bundler = bundler(&world).await;

    Suite::new("recipe.test.mjs").with("BUNDLER", bundler.url()).passes(&world).await;
}

on_versions! { the_recipe_works_on_a_chain_that_was_idle_for_50_minutes: v06 V06, v07 V07, v08 V08 }

async fn the_recipe_works_on_a_chain_that_was_idle_for_50_minutes(version: EntryPointVersion) {
    let world = Setup::of(version).chain_started_ago(IDLE_SECONDS).start().await;
    let bundler = bundler(&world).await;
    // From here on the latest block is 50 minutes old, and the next one gets the current time.
    world.anvil.increase_time(IDLE_SECONDS).await.unwrap();

    Suite::new("idle.test.mjs").with("BUNDLER", bundler.url()).passes(&world).await;
}

on_every_version! { viems_paymaster_client_sponsors_a_local_key }

async fn viems_paymaster_client_sponsors_a_local_key(version: EntryPointVersion) {
    let world = Setup::of(version).without_passkey().start().await;
    let bundler = bundler(&world).await;

    Suite::new("local-key.test.mjs").with("BUNDLER", bundler.url()).passes(&world).await;
}

on_every_version! { one_url_is_enough_for_viem_and_permissionless }

async fn one_url_is_enough_for_viem_and_permissionless(version: EntryPointVersion) {
    let (world, bundler) = Setup::of(version).without_passkey().start_with_bundler().await;

    Suite::new("one-url.test.mjs").with("BUNDLER", bundler.url()).passes(&world).await;
}

on_versions! { permissionlesss_client_for_pimlico_works: v06 V06, v07 V07, v08 V08 }

async fn permissionlesss_client_for_pimlico_works(version: EntryPointVersion) {
    let (world, _bundler) = Setup::of(version).without_passkey().start_with_bundler().await;

    Suite::new("pimlico.test.mjs").passes(&world).await;
}

/// The reference implementation, with the rules of ERC-7562 on.
#[tokio::test]
async fn a_second_bundler_that_holds_operations_against_erc7562_mines_what_the_relay_answers() {
    let world = Setup::of(EntryPointVersion::V06).without_passkey().start().await;
    let bundler = Bystander::start("strict-bundler/start.mjs", &[world.anvil.url().as_str()]).await;

    Suite::new("strict-bundler.test.mjs").with("BUNDLER", bundler.url()).passes(&world).await;
}

on_versions! { clients_pass_as_they_are_under_a_policy_that_simulates: v07 V07, v08 V08 }

/// A bundler simulates with the stub signatures and authorisations that libraries send.
async fn clients_pass_as_they_are_under_a_policy_that_simulates(version: EntryPointVersion) {
    let simulate = |configuration: &mut Value| configuration["relay"]["policies"][0]["simulate"] = true.into();
    let (world, bundler) = Setup::of(version).without_passkey().configure(simulate).start_with_bundler().await;

    for file in ["recipe.test.mjs", "local-key.test.mjs"] {
        Suite::new(file).with("BUNDLER", bundler.url()).passes(&world).await;
    }
}

#[tokio::test]
async fn one_url_with_a_publishable_key_in_it_is_enough_too() {
    let require = |configuration: &mut Value| {
        configuration["relay"]["rpc"] = json!({ "require_api_key": true, "allowed_origins": [] });
    };
    let (world, bundler) =
        Setup::of(EntryPointVersion::V07).without_passkey().configure(require).start_with_bundler().await;
    let url = with_publishable_key(&world, &["--scope", "sponsor", "--scope", "bundler"]).await;

    Suite::new("one-url.test.mjs").with("BUNDLER", bundler.url()).with("RPC", &url).passes(&world).await;
}

#[tokio::test]
async fn a_page_in_chromium_registers_approves_and_sends() {
    let page = Bystander::start("support/page.mjs", &[]).await;
    let world = world_for(&page, json!({ "allowed_origins": [page.url()] })).await;
    let bundler = bundler(&world).await;

    Suite::new("browser.test.mjs").with("BUNDLER", bundler.url()).with("ORIGIN", page.url()).passes(&world).await;
}

/// Like a wallet that only gets a URL (EIP-5792's `paymasterService`).
#[tokio::test]
async fn a_page_with_a_publishable_key_in_the_url_does_the_same() {
    let page = Bystander::start("support/page.mjs", &[]).await;
    let world = world_for(&page, json!({ "require_api_key": true, "allowed_origins": [] })).await;
    let bundler = bundler(&world).await;
    let url = with_publishable_key(&world, &["--origin", page.url()]).await;

    Suite::new("browser.test.mjs")
        .with("BUNDLER", bundler.url())
        .with("ORIGIN", page.url())
        .with("RPC", &url)
        .passes(&world)
        .await;
}

/// The relay's URL with a new publishable key in it.
async fn with_publishable_key(world: &World, options: &[&str]) -> String {
    let file = world.file("node.toml");
    let generate = ["api-key", "--config", file.to_str().unwrap(), "generate", "--label", "page", "--publishable"];
    let made = run(&[&generate[..], &["--policy", "default"], options].concat()).await;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    format!("{}/rpc/31337/{}", world.rpc().url(), String::from_utf8(made.stdout).unwrap().trim())
}

/// A world whose passkeys are used at that page.
async fn world_for(page: &Bystander, rpc: Value) -> World {
    let origin = page.url().to_owned();
    let configure = move |configuration: &mut Value| {
        configuration["kms"]["origins"] = json!([origin]);
        configuration["relay"]["rpc"] = rpc;
    };
    Setup::of(EntryPointVersion::V07).configure(configure).start().await
}

#[tokio::test]
async fn viem_ethers_and_web3_py_carry_keys_and_show_refusals() {
    let require = |configuration: &mut Value| {
        configuration["relay"]["rpc"]["api_key_hashes"] = json!([hex::encode(Sha256::digest(API_KEY))]);
        configuration["kms"]["account_creation"] = "authorised".into();
    };
    let world = Setup::of(EntryPointVersion::V07).configure(require).start().await;

    Suite::new("keys.test.mjs").with("API_KEY", API_KEY).passes(&world).await;
}

/// What permissionless's SimpleAccounts of v0.7 are made by.
const SIMPLE_ACCOUNT_FACTORY: &str = "0x91E60e0613810449d098b0b5Ec8b51A0FE8c8985";

/// The only call that a policy with `targets` allows here.
const TARGET: &str = "0x00000000000000000000000000000000000000aa";
const SELECTOR: &str = "0xa9059cbb";

#[tokio::test]
async fn the_calls_of_every_account_are_held_against_targets() {
    let targets = |configuration: &mut Value| {
        let policy = &mut configuration["relay"]["policies"][0];
        policy["targets"] = json!([{ "address": TARGET, "selectors": [SELECTOR] }]);
        policy["factories"] = json!([SIMPLE_ACCOUNT_FACTORY]);
        // The sender is a SimpleAccount whoever encodes its callData.
        policy["any_account_code"] = true.into();
    };
    let world = Setup::of(EntryPointVersion::V07).without_passkey().configure(targets).start().await;

    Suite::new("calls.test.mjs").with("TARGET", TARGET).with("SELECTOR", SELECTOR).passes(&world).await;
}

/// What makes Safes 1.4.1. A Safe can be configured in its creation, so the policy lists the future
/// addresses too, which depend on the initial data.
const SAFE_PROXY_FACTORY: &str = "0x4e1DCf7AD4e460CfD30791CCC4F9c8a4f820ec67";
const SAFES: &str = "4";

#[tokio::test]
async fn a_safe_is_made_and_batches_under_a_policy_with_targets() {
    let mut ground = Setup::of(EntryPointVersion::V07).without_passkey().prepare().await;
    let policy = &mut ground.configuration["relay"]["policies"][0];
    policy["targets"] = json!([{ "address": TARGET, "selectors": [SELECTOR] }]);
    policy["factories"] = json!([SAFE_PROXY_FACTORY]);
    policy["senders"] = future_safes(ground.anvil.url().as_str()).await;
    let world = ground.start().await;
    let bundler = bundler(&world).await;

    Suite::new("safe.test.mjs")
        .with("BUNDLER", bundler.url())
        .with("TARGET", TARGET)
        .with("SELECTOR", SELECTOR)
        .with("SAFES", SAFES)
        .passes(&world)
        .await;
}

/// The addresses of Safes that nobody has made yet. There is no node yet either.
async fn future_safes(chain: &str) -> Value {
    let output = Command::new("node")
        .args(["support/future-safes.mjs", SAFES])
        .current_dir(client_tests())
        .envs(["RPC", "KMS", "PAYMASTER", "ORIGIN"].map(|of_the_node| (of_the_node, "none")))
        .env("CHAIN", chain)
        .env("ENTRY_POINT_VERSION", EntryPointVersion::V07.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, output).await.expect("it ends").unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn bundler(world: &World) -> Bystander {
    Bystander::start("bundler/start.mjs", &[world.anvil.url().as_str()]).await
}

/// A file of tests/clients, and its environment variables.
struct Suite<'a> {
    file: &'a str,
    environment: Vec<(&'a str, &'a str)>,
}

impl<'a> Suite<'a> {
    fn new(file: &'a str) -> Self {
        Self { file, environment: vec![("ORIGIN", ORIGIN)] }
    }

    fn with(mut self, name: &'a str, value: &'a str) -> Self {
        self.environment.push((name, value));
        self
    }

    async fn passes(self, world: &World) {
        let Self { file, environment } = self;
        let running = Command::new("node")
            .args(["--test", "--test-reporter=spec", file])
            .current_dir(client_tests())
            .env("RPC", world.rpc().url())
            .env("KMS", world.kms().url())
            .env("CHAIN", world.anvil.url().as_str())
            .env("PAYMASTER", world.paymaster.address().to_string())
            .env("ENTRY_POINT_VERSION", world.version().to_string())
            .env("FACTORY", world.deployment.account_factory.address().to_string())
            .env("DELEGATE", world.deployment.delegate.unwrap_or_default().to_string())
            .envs(environment)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(PATIENCE, running).await.unwrap_or_else(|_| panic!("{file} does not end")).unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{file}: {said}{}", String::from_utf8_lossy(&output.stderr));
    }
}
