//! `super-relay demo --keep` as a child process: what the page tells its readers to start.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::project;

/// A chain, a node and a KMS on free ports, with one operation sponsored already; stopped when dropped.
pub struct Node {
    process: Child,
    pub rpc: String,
    pub kms: String,
    data: TempDir,
}

impl Node {
    pub fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_super-relay"))
            .args(["demo", "--keep", "--project"])
            .arg(project::root())
            .env("TMPDIR", data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        // The process ends when the demo fails, and its output with it.
        let running = said.into_iter().find(|line| line.contains(" running ")).expect("the demo failed");
        let url_after = |name: &str| {
            let rest = running.split_once(name).unwrap_or_else(|| panic!("no {name}: {running}")).1;
            rest.split([',', ';']).next().unwrap().trim_end_matches('/').to_owned()
        };
        Self { process, rpc: url_after("JSON-RPC at "), kms: url_after("KMS at "), data }
    }

    /// The key that `bootstrap.admin_key_file` holds, in hex.
    pub fn admin_key(&self) -> String {
        let folders = std::fs::read_dir(self.data.path()).unwrap().map(|entry| entry.unwrap().path());
        let file = folders.map(|folder| folder.join("admin.key")).find(|file| file.is_file()).expect("no admin.key");
        format!("0x{}", std::fs::read_to_string(file).unwrap().trim())
    }
}

/// Asked to stop, it takes its chain along; killed, it would leave it behind.
impl Drop for Node {
    fn drop(&mut self) {
        let id = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        let _ = self.process.wait();
    }
}
