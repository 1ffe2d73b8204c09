//! A guest that can be powered on and off.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The guest to boot, and its disk.
pub struct Machine {
    pub guest: PathBuf,
    pub disk: PathBuf,
    pub logs: PathBuf,
}

/// A guest whose gateway is serving. Dropping it cuts its power.
pub struct Running {
    boot: Child,
    pub url: String,
}

impl Machine {
    /// Powers it on, with an argument for the guest's script, and waits until its gateway serves.
    pub fn boot(&self, word: &str) -> Running {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut boot = Command::new(project().join("scripts/optee/boot"))
            .args(["--ready", "the KMS serves", "--forward", &format!("{port}:3002"), "--argument", word, "--disk"])
            .args([&self.disk, &self.guest])
            // Runs until its input ends: then the power goes off.
            .args(["sh", "-c", "echo ready; cat"])
            .env("LOGS", &self.logs)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(boot.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "the guest's gateway does not serve");
        Running { boot, url: format!("http://127.0.0.1:{port}") }
    }

    /// How often the guest's script has printed that since it was powered on.
    pub fn said(&self, words: &str) -> usize {
        count(&self.logs.join("normal.log"), words)
    }

    /// The numbers printed between these texts.
    pub fn numbers(&self, before: &str, after: &str) -> Vec<u64> {
        let log = read(&self.logs.join("normal.log"));
        log.split(before).skip(1).filter_map(|rest| rest.split_once(after)?.0.parse().ok()).collect()
    }

    /// The same for the secure world.
    pub fn secure_world_said(&self, words: &str) -> usize {
        count(&self.logs.join("secure.log"), words)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.boot.stdin.take());
        self.boot.wait().unwrap();
    }
}

fn count(log: &Path, words: &str) -> usize {
    read(log).matches(words).count()
}

fn read(log: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned()
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
