//! The real binary as a child process: started on free ports, stopped by signals, its log kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};

use devkit::unconfigured;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::PATIENCE;
use super::signals::{Signal, signal_process};

/// How the test handles the log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    Read,
    /// The pipe stays open but is not read.
    Left,
    /// The pipe is closed.
    Closed,
}

/// A running `super-relay node` or `super-relay kms`; killed when dropped.
pub struct Process {
    child: Child,
    addresses: BTreeMap<String, String>,
    log: Arc<Mutex<Vec<String>>>,
    reading: watch::Sender<Reading>,
}

impl Process {
    /// Starts `super-relay <command> --config <file>` and waits until it logs that it is ready, or
    /// why it is not.
    pub async fn start(command: &str, file: &Path) -> Self {
        Self::start_until(command, file, says_whether_it_is_ready).await
    }

    /// The same until its operator's port is served, which is much earlier.
    pub async fn begin(command: &str, file: &Path) -> Self {
        Self::start_until(command, file, |fields| fields["ops"].is_string()).await
    }

    /// The same after a shell has set limits, as in `ulimit -n 1024`.
    pub async fn start_limited(command: &str, file: &Path, limits: &str) -> Self {
        let mut shell = unconfigured("sh");
        let script = format!("{limits} && exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_super-relay"), command, "--config"]).arg(file);
        Self::spawn_until(shell, says_whether_it_is_ready).await
    }

    async fn start_until(command: &str, file: &Path, is_there: fn(&Value) -> bool) -> Self {
        let mut command = super_relay(&[command, "--config"]);
        command.arg(file);
        Self::spawn_until(command, is_there).await
    }

    async fn spawn_until(mut command: Command, is_there: fn(&Value) -> bool) -> Self {
        let mut child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let (log, reading) = (Arc::default(), watch::Sender::new(Reading::Read));
        let there = follow(child.stderr.take().unwrap(), Arc::clone(&log), reading.subscribe(), is_there);
        let mut process = Self { child, addresses: BTreeMap::new(), log, reading };
        // If it stops before that, its log states why.
        process.addresses = timeout(PATIENCE, there).await.expect("it is not ready").expect("it stopped");
        process
    }

    /// The base URL of a server: `rpc`, `ops` or `kms`.
    pub fn url(&self, server: &str) -> String {
        format!("http://{}", self.addresses[server])
    }

    /// The socket address of a server.
    pub fn address(&self, server: &str) -> &str {
        &self.addresses[server]
    }

    pub fn signal(&self, signal: Signal) {
        signal_process(self.id(), signal);
    }

    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait()).await.expect("it does not end").unwrap()
    }

    /// Ends it at once, as a power cut would.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// From its next line on.
    pub fn read_log(&self, reading: Reading) {
        self.reading.send_replace(reading);
    }

    /// Every line it has logged.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

/// Information for a failing test.
impl Drop for Process {
    #[expect(clippy::print_stderr, reason = "the log of the node explains why a test failed")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.log().iter().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// Runs a command of the binary to its end.
pub async fn run(arguments: &[&str]) -> Output {
    run_in(&[], arguments).await
}

/// The same with additional environment variables.
pub async fn run_in(environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    let running = super_relay(arguments).envs(environment.iter().copied()).kill_on_drop(true).output();
    timeout(PATIENCE, running).await.expect("it does not end").unwrap()
}

/// The same with that text on standard input.
pub async fn run_given(arguments: &[&str], input: &str) -> Output {
    let mut command = super_relay(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    timeout(PATIENCE, child.wait_with_output()).await.expect("it does not end").unwrap()
}

/// The same, subject to file modes even if the tests run as root.
pub async fn run_bound_by_modes(arguments: &[&str]) -> Output {
    if !rustix::process::geteuid().is_root() {
        return run(arguments).await;
    }
    let mut command = unconfigured("setpriv");
    command.args(["--bounding-set=-dac_override,-dac_read_search", env!("CARGO_BIN_EXE_super-relay")]).args(arguments);
    timeout(PATIENCE, command.kill_on_drop(true).output()).await.expect("it does not end").unwrap()
}

/// The same, but lines of its standard error may be answered, as by a person.
pub async fn run_answering(arguments: &[&str], answer: impl Fn(&str) -> Option<String>) -> Output {
    let mut command = super_relay(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut stderr = Vec::new();
    while let Some(line) = timeout(PATIENCE, lines.next_line()).await.expect("it says no more").unwrap() {
        if let Some(answer) = answer(&line) {
            input.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
        }
        stderr.extend(line.into_bytes());
    }
    let output = timeout(PATIENCE, child.wait_with_output()).await.expect("it does not end").unwrap();
    Output { stderr, ..output }
}

fn says_whether_it_is_ready(fields: &Value) -> bool {
    let message = fields["message"].as_str().unwrap_or_default();
    message.starts_with("ready") || message.starts_with("not ready: ")
}

fn super_relay(arguments: &[&str]) -> Command {
    let mut command = unconfigured(env!("CARGO_BIN_EXE_super-relay"));
    command.args(arguments);
    command
}

/// Keeps the lines, and gives the addresses in them (`{"fields": {"rpc": "127.0.0.1:1", ...}}`)
/// when it is there.
fn follow(
    stderr: ChildStderr,
    log: Arc<Mutex<Vec<String>>>,
    reading: watch::Receiver<Reading>,
    is_there: fn(&Value) -> bool,
) -> oneshot::Receiver<BTreeMap<String, String>> {
    let (sender, receiver) = oneshot::channel();
    tokio::spawn(async move {
        let (mut addresses, mut there) = (BTreeMap::new(), Some(sender));
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let fields = serde_json::from_str::<Value>(&line).unwrap_or_default()["fields"].take();
            log.lock().unwrap().push(line);
            for server in ["rpc", "ops", "kms"] {
                addresses.extend(fields[server].as_str().map(|address| (server.to_owned(), address.to_owned())));
            }
            if is_there(&fields)
                && let Some(there) = there.take()
            {
                // No one waits any more if the test has ended.
                let _ = there.send(addresses.clone());
            }
            match *reading.borrow() {
                Reading::Read => continue,
                Reading::Left => {}
                Reading::Closed => return,
            }
            std::future::pending::<()>().await;
        }
    });
    receiver
}
