//! The product, run as its operator would.

use std::path::{Path, PathBuf};

use devkit::{Node, unconfigured};
use serde_json::Value;

use crate::Outcome;

const NAME: &str = "super-relay";
/// The node's log, beside its configuration.
pub const LOG: &str = "node.log";

/// The binary `super-relay`.
pub struct Product(PathBuf);

impl Product {
    /// The binary at that path, or in the folder of this program.
    pub fn find(given: Option<PathBuf>) -> Outcome<Self> {
        let path = match given {
            Some(path) => path,
            None => std::env::current_exe()?.with_file_name(NAME),
        };
        match path.is_file() {
            true => Ok(Self(path)),
            false => Err(format!("{} is missing: build it, or name it with --super-relay", path.display()).into()),
        }
    }

    /// Starts a node, and waits until it serves.
    pub async fn start_node(&self, configuration: &Path) -> Outcome<Node> {
        let mut command = unconfigured(&self.0);
        // Ctrl-C must only reach the demo, which then stops the node.
        command.process_group(0);
        Ok(Node::start(command, configuration, configuration.with_file_name(LOG)).await?)
    }

    /// Runs `super-relay admin` with these arguments, and returns the JSON it prints.
    pub async fn admin(&self, arguments: &[&str]) -> Outcome<Value> {
        let output = unconfigured(&self.0).arg("admin").args(arguments).kill_on_drop(true).output().await?;
        match output.status.success() {
            true => Ok(serde_json::from_slice(&output.stdout)?),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().into()),
        }
    }
}
