//! JavaScript programs that run next to the node: a bundler, a page's server.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{PATIENCE, project};

const LISTENING: &str = " listening on ";

/// A running script of tests/clients; killed when dropped.
pub struct Bystander {
    url: String,
    _process: Child,
}

impl Bystander {
    /// Starts the script and waits until it prints `… listening on URL`.
    pub async fn start(script: &str, arguments: &[&str]) -> Self {
        let mut process = Command::new("node")
            .arg(client_tests().join(script))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node is needed: apt-get install nodejs");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some((_, url)) = line.split_once(LISTENING) {
                    return url.to_owned();
                }
            }
            panic!("{script} stopped: does tests/clients have its packages? scripts/client-tools installs them");
        };
        let url = timeout(PATIENCE, listening).await.unwrap_or_else(|_| panic!("{script} does not listen"));
        // Read from now on, so that the script never blocks on it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { url, _process: process }
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

/// The folder of the scripts and of the packages that they use.
pub fn client_tests() -> PathBuf {
    project().join("tests/clients")
}
