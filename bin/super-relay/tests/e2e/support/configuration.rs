//! The configuration of a node, as a tree that a test changes before it is written down as TOML.

use std::path::Path;

use devkit::{Anvil, Deployment, EntryPointVersion, Paymaster};
use serde_json::{Value, json};

pub const RP_ID: &str = "localhost";
/// The page that passkeys are used at.
pub const ORIGIN: &str = "http://localhost:5173";
pub const PASSPHRASE: &str = "correct horse battery staple";

/// Seconds in which every part answers even if every core is busy with other tests: slowness must
/// not count as an outage.
pub(super) const TIMEOUT: u64 = 30;

/// A development node with the KMS in the same process; ports are picked by the system.
pub fn node(anvil: &Anvil, deployment: &Deployment, paymaster: &Paymaster, data: &Path) -> Value {
    let (chain, entry_point) = (anvil.url(), &deployment.entry_point);
    let scheme = if entry_point.version() >= EntryPointVersion::V08 { "raw" } else { "eip191" };
    json!({
        "listen": { "rpc": "127.0.0.1:0", "ops": "127.0.0.1:0", "kms": "127.0.0.1:0" },
        "log": { "format": "json", "filter": "info" },
        // There is no load balancer.
        "shutdown": { "drain_seconds": 0 },
        "relay": {
            "database": data.join("relay.sqlite"),
            "rp_id": RP_ID,
            "chain": { "chain_id": 31337, "rpc_url": chain, "timeout_seconds": TIMEOUT },
            "relay_key": { "file": data.join("relay-key.json"), "passphrase_file": data.join("relay-key.passphrase") },
            "default_account": { "active": true },
            "deployments": [self::deployment(deployment, paymaster)],
            // One account may use all of a small deposit.
            "reservations": { "max_per_account": 1000, "max_percent_per_account": 100 },
            "policies": [{ "id": "default", "max_cost_per_operation": "20000000000000000" }],
        },
        "kms": {
            "data_dir": data.join("kms"),
            "rp_id": RP_ID,
            "origins": [ORIGIN],
            "signature_scheme": scheme,
            "tee_timeout_seconds": 24,
            "tee_hung_after_seconds": 21,
            "tee_stuck_after_ms": 20_000,
            "factory": {
                "address": deployment.account_factory.address(),
                "rpc_url": chain,
                "timeout_seconds": TIMEOUT,
            },
        },
        "bootstrap": { "admin_key_file": data.join("admin.key") },
    })
}

/// One paymaster and the EntryPoint it serves.
pub fn deployment(deployment: &Deployment, paymaster: &Paymaster) -> Value {
    json!({
        "entry_point": deployment.entry_point.address(),
        "version": deployment.entry_point.version().to_string(),
        "paymaster": paymaster.address(),
    })
}

/// Lists that chain next to the only one, and a deployment on it.
pub fn list_chain(
    configuration: &mut Value,
    chain_id: u64,
    rpc_url: &str,
    deployment: &Deployment,
    paymaster: &Paymaster,
) {
    let relay = &mut configuration["relay"];
    let here = relay.as_object_mut().unwrap().remove("chain").unwrap();
    let (mut there, mut on_chain) = (here.clone(), self::deployment(deployment, paymaster));
    (there["chain_id"], there["rpc_url"]) = (chain_id.into(), rpc_url.into());
    relay["deployments"][0]["chain_id"] = here["chain_id"].clone();
    on_chain["chain_id"] = chain_id.into();
    relay["deployments"].as_array_mut().unwrap().push(on_chain);
    relay["chains"] = json!([here, there]);
}

pub fn write(configuration: &Value, file: &Path) {
    std::fs::write(file, toml::to_string(configuration).unwrap()).unwrap();
}
