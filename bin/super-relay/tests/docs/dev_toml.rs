//! config/dev.toml as its first lines say: chain, node, paymaster and bundler, each started by its
//! script, on free ports. With them the way from nothing to a mined operation is that of
//! docs/api.md.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use devkit::unconfigured;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::examples::{PAGE, Reader};
use super::markdown::blocks;
use super::project;

const CONFIGURATION: &str = "config/dev.toml";
/// The heading after the main path.
const END: &str = "\n## JSON-RPC";

#[tokio::test]
async fn a_node_with_config_dev_toml_takes_a_reader_of_the_api_from_nothing_to_a_mined_operation() {
    let chain = Running::start("scripts/dev-chain", &["0"]);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("relay-key.passphrase"), "correct horse battery staple").unwrap();
    let mut node = unconfigured(env!("CARGO_BIN_EXE_super-relay"));
    node.current_dir(folder.path());
    for (key, value) in [
        ("LISTEN__RPC", "127.0.0.1:0"),
        ("LISTEN__OPS", "127.0.0.1:0"),
        ("LISTEN__KMS", "127.0.0.1:0"),
        ("RELAY__CHAIN__RPC_URL", &chain.url),
        ("KMS__FACTORY__RPC_URL", &chain.url),
    ] {
        node.env(format!("SUPER_RELAY__{key}"), value);
    }
    let configuration = project::root().join(CONFIGURATION);
    let node = devkit::Node::start(node, &configuration, folder.path().join("node.log")).await.unwrap();
    let [rpc, kms, ops] = ["rpc", "kms", "ops"].map(|server| node.url(server).unwrap());

    for _ in ["deploys it", "finds everything done"] {
        let admitted = dev_paymaster(&chain.url, &kms);
        assert_eq!((&admitted["signer"]["active"], &admitted["staked"]), (&true.into(), &true.into()));
    }
    devkit::eventually(async || {
        devkit::http::get(format!("{ops}/status")).await.unwrap().status().is_success().then_some(())
    })
    .await;
    let admin_key = std::fs::read_to_string(data.join("admin.key")).unwrap();
    let mut reader = Reader::of(&rpc, &kms, format!("0x{}", admin_key.trim()));
    let page = project::read(PAGE);
    blocks(page.split_once(END).unwrap().0).iter().for_each(|block| reader.follow(block));

    let bundler = Running::start("scripts/bundler", &[&chain.url, "0"]);
    let sent = sent(reader.folder(), &rpc, &bundler.url);
    assert_eq!((&sent["success"], &sent["receipt"]["success"]), (&true.into(), &true.into()), "{sent}");
}

fn dev_paymaster(chain: &str, kms: &str) -> Value {
    let script = project::root().join("scripts/dev-paymaster");
    let output =
        Command::new(script).args([chain, kms]).env("SUPER_RELAY", env!("CARGO_BIN_EXE_super-relay")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What the page's own parameters come to: they are sponsored already.
fn sent(folder: &Path, rpc: &str, bundler: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_super-relay"))
        .args(["send", "--relay", rpc, "--bundler", bundler, "--chain-id", "31337", "params.json"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A script that prints `… listening on URL`; stopped when dropped.
struct Running {
    process: Child,
    url: String,
}

impl Running {
    fn start(script: &str, arguments: &[&str]) -> Self {
        let mut process = Command::new(project::root().join(script))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let listening = lines.find_map(|line| line.split_once(" listening on ").map(|(_, url)| url.to_owned()));
        let url = listening.unwrap_or_else(|| panic!("{script} stopped"));
        // Read from now on, so that the script never waits for it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url }
    }
}

/// On this signal a script stops what it started.
impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let _ = self.process.wait();
    }
}
