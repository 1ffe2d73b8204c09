//! The product as a child process: `super-relay node`, with its log in a file.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::{DevkitError, PATIENCE};

const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Number of log lines shown to explain a failure.
const LAST_LINES: usize = 20;

/// A running `super-relay node`; killed when dropped.
#[derive(Debug)]
pub struct Node {
    child: Child,
    fields: BTreeMap<String, String>,
    log: PathBuf,
}

/// A command without configuration from the environment.
pub fn unconfigured(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SUPER_RELAY")) {
        command.env_remove(name);
    }
    command
}

impl Node {
    /// Runs `<super_relay> node` with that configuration, and waits until its log says whether it
    /// is ready.
    ///
    /// # Errors
    /// [`DevkitError::NodeDidNotStart`] with the end of its log if it stops before that, or takes
    /// longer than [`PATIENCE`].
    pub async fn start(mut super_relay: Command, configuration: &Path, log: PathBuf) -> Result<Self, DevkitError> {
        super_relay.arg("node").arg("--config").arg(configuration);
        super_relay.args(["--set", "log.format=json", "--set", "log.filter=info"]);
        super_relay.stdout(Stdio::null()).stderr(File::create(&log).map_err(did_not_start)?);
        let child = super_relay.kill_on_drop(true).spawn().map_err(did_not_start)?;
        let mut node = Self { child, fields: BTreeMap::new(), log };
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            // Checked before the log is read, so that its last lines are read too.
            let has_ended = node.child.try_wait().map_err(did_not_start)?.is_some();
            if node.read_log().map_err(did_not_start)? {
                return Ok(node);
            }
            if has_ended {
                break;
            }
            sleep(LOOK_EVERY).await;
        }
        Err(did_not_start(node.last_lines()))
    }

    /// The base URL of a server, `rpc`, `ops` or `kms`, without a trailing slash; `None` if the
    /// node has no such server.
    #[must_use]
    pub fn url(&self, server: &str) -> Option<String> {
        self.fields.get(server).map(|address| format!("http://{address}"))
    }

    /// A text field of the log, by name; the last one if there are several.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// The process id; `None` if it has ended.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Interrupts it, and waits until requests in flight have finished.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn stop(&mut self) -> io::Result<ExitStatus> {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        // Without an id it has already ended.
        id.map_or(Ok(()), |id| kill_process(id, Signal::INT))?;
        self.child.wait().await
    }

    /// The last lines of its log.
    #[must_use]
    pub fn last_lines(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }

    /// Reads `{"fields": {"rpc": "127.0.0.1:1", ...}}` from every line. Returns whether a line says
    /// that the node is ready, or is not.
    fn read_log(&mut self) -> io::Result<bool> {
        let mut says_whether_it_is_ready = false;
        for line in String::from_utf8_lossy(&fs::read(&self.log)?).lines() {
            let line: Value = serde_json::from_str(line).unwrap_or_default();
            for (name, value) in line["fields"].as_object().into_iter().flatten() {
                self.fields.extend(value.as_str().map(|value| (name.clone(), value.to_owned())));
            }
            let message = line["fields"]["message"].as_str().unwrap_or_default();
            says_whether_it_is_ready |= message.starts_with("ready") || message.starts_with("not ready: ");
        }
        Ok(says_whether_it_is_ready)
    }
}

fn did_not_start(detail: impl ToString) -> DevkitError {
    DevkitError::NodeDidNotStart { detail: detail.to_string() }
}
