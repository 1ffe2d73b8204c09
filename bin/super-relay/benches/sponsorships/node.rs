//! The node: the real binary as a child process, alone on its core.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use crate::Outcome;

const SERVERS: [&str; 3] = ["rpc", "ops", "kms"];
const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOOKS: u32 = 600;
/// Lines of the log that explain a failure.
const LAST_WORDS: usize = 20;

/// A running node; killed when dropped.
pub struct Node {
    child: Child,
    addresses: BTreeMap<String, String>,
    log: PathBuf,
}

impl Node {
    /// Starts it and waits until it listens.
    pub async fn start(core: usize, configuration: &Path, log: PathBuf) -> Outcome<Self> {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &core.to_string(), env!("CARGO_BIN_EXE_super-relay"), "node", "--config"]);
        command.arg(configuration).stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SUPER_RELAY")) {
            command.env_remove(name);
        }
        let mut node = Self { child: command.spawn()?, addresses: BTreeMap::new(), log };
        for _ in 0..LOOKS {
            node.addresses = addresses(&fs::read_to_string(&node.log)?);
            if node.addresses.len() == SERVERS.len() {
                return Ok(node);
            }
            if node.child.try_wait()?.is_some() {
                break;
            }
            sleep(LOOK_EVERY).await;
        }
        Err(format!("the node does not listen\n{}", node.last_words()).into())
    }

    /// The base URL of a server: `rpc`, `ops` or `kms`.
    pub fn url(&self, server: &str) -> String {
        format!("http://{}", self.addresses[server])
    }

    /// `taskset` has become the node: it is the same process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `{"fields": {"rpc": "127.0.0.1:1", ...}}`
fn addresses(log: &str) -> BTreeMap<String, String> {
    let mut addresses = BTreeMap::new();
    for line in log.lines() {
        let said: Value = serde_json::from_str(line).unwrap_or_default();
        for server in SERVERS {
            if let Some(address) = said["fields"][server].as_str() {
                addresses.insert(server.to_owned(), address.to_owned());
            }
        }
    }
    addresses
}
