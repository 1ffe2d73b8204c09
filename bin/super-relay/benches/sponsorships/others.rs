//! Programs that are measured beside the node: each alone on the node's core, while the node idles.
//! They do less (no passkey, no policy, no budget, nothing on disk), so each request of theirs is
//! compared with a whole sponsorship.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use devkit::{EntryPointVersion, unconfigured};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

use crate::Outcome;
use crate::cores::Cores;
use crate::cpu::Cpu;
use crate::load::{self, Sent};
use crate::operation::{self, CHAIN_ID};
use crate::world::World;

/// The name in the report, and the script in `benches/others`.
const OTHERS: [(&str, &str); 2] =
    [("@pimlico/mock-paymaster", "mock-paymaster.mjs"), ("a bare ethers signer", "ethers-signer.mjs")];
/// Its JavaScript is compiled by then.
const WARM_UP: usize = 300;

/// One of them under load.
pub struct Measured {
    pub name: &'static str,
    pub connections: usize,
    pub sent: Sent,
    pub cpu: Cpu,
}

/// A running one; killed when dropped.
struct Server {
    process: Child,
    url: String,
}

/// Measures each of them with this many requests over this many connections.
pub async fn measure(world: &World, cores: &Cores, connections: usize, count: usize) -> Outcome<Vec<Measured>> {
    // The mock deploys a paymaster for each of these.
    for version in [EntryPointVersion::V06, EntryPointVersion::V08] {
        devkit::deploy(&world.anvil, &world.tools, version).await?;
    }
    let mut measured = Vec::new();
    for (name, script) in OTHERS {
        let server = Server::start(script, world, cores).await?;
        load::send(&server.url, requests(world, WARM_UP), connections, has_signature).await?;
        let process = server.process.id().ok_or_else(|| format!("{name} has ended"))?;
        let before = Cpu::of(process)?;
        let sent = load::send(&server.url, requests(world, count), connections, has_signature).await?;
        let cpu = Cpu::of(process)?.since(&before);
        measured.push(Measured { name, connections, sent, cpu });
    }
    Ok(measured)
}

impl Server {
    async fn start(script: &str, world: &World, cores: &Cores) -> Outcome<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = unconfigured("taskset");
        command.args(["--cpu-list", &cores.node.to_string(), "node"]).arg(folder().join(script));
        command.arg(world.anvil.url().as_str()).arg(port.to_string());
        let mut process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let output = process.stdout.take().ok_or("no output")?;
        let mut lines = BufReader::new(output).lines();
        let first = lines.next_line().await?;
        if first.as_deref() != Some("ready") {
            return Err(format!("{script} did not start: {first:?}").into());
        }
        // It must not wait for a reader.
        tokio::spawn(async move { while lines.next_line().await.is_ok_and(|line| line.is_some()) {} });
        Ok(Self { process, url: format!("http://127.0.0.1:{port}") })
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/others")
}

/// `pm_getPaymasterData` (ERC-7677) for new operations.
fn requests(world: &World, count: usize) -> Vec<String> {
    let entry_point = world.deployment.entry_point.address();
    let request = |key: usize| {
        let op = operation::draft(devkit::Address::repeat_byte(0x11), key as u64).to_json(operation::VERSION);
        let params = json!([op, entry_point, format!("{CHAIN_ID:#x}"), {}]);
        json!({ "jsonrpc": "2.0", "id": 1, "method": "pm_getPaymasterData", "params": params }).to_string()
    };
    (0..count).map(request).collect()
}

fn has_signature(answer: &Value) -> bool {
    answer["result"]["paymasterData"].as_str().is_some_and(|data| data.len() > 130)
}
