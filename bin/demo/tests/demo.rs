//! The demo as a new user runs it. `super-relay` has to be built beside it: test both packages, or
//! the workspace.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what can't be done fails")]

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

const VERSIONS: [&str; 4] = ["0.6", "0.7", "0.8", "0.9"];

fn run(arguments: &[&str]) -> Output {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_demo"));
    demo.args(arguments).arg("--project").arg(project).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn shows(output: &Output, steps: &[&str]) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for step in steps {
        assert!(text.contains(step), "{step}: {text}");
    }
}

#[test]
fn the_demo_ends_with_an_operation_on_the_chain_of_every_version() {
    for version in VERSIONS {
        let steps =
            ["passkey", "TEE", "handleOps in transaction 0x", "balance 0 wei", "the operation succeeded on chain"];
        shows(&run(&["--entrypoint", version]), &steps);
    }
}

#[test]
fn the_demo_with_a_local_key_ends_with_an_operation_on_the_chain_of_every_version() {
    for version in VERSIONS {
        let steps = ["a key of the client's own", "answered pm_getPaymasterData", "the operation succeeded on chain"];
        shows(&run(&["--local-key", "--entrypoint", version]), &steps);
    }
}

/// A KMS gateway with a new TEE, in its own process; killed when dropped.
struct Gateway {
    process: Child,
    url: String,
}

impl Gateway {
    fn start(data: &Path) -> Self {
        let setting = |key: &str, value: &str| format!("--set={key}={value}");
        let mut process = Command::new(Path::new(env!("CARGO_BIN_EXE_demo")).with_file_name("super-relay"))
            .args(["kms", "--set=log.format=json", "--set=listen.kms=127.0.0.1:0", "--set=listen.ops=127.0.0.1:0"])
            .arg(setting("kms.data_dir", data.to_str().unwrap()))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.find_map(|line| {
            let line: Value = serde_json::from_str(&line).unwrap_or_default();
            line["fields"]["kms"].as_str().map(str::to_owned)
        });
        // Its log is drained, so that it never blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url: format!("http://{}", address.unwrap()) }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_demo_becomes_the_admin_of_a_new_tee_elsewhere_and_of_no_other() {
    let data = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data.path());

    let steps = ["provisioned the TEE over HTTP", "authorised the relay's key", "the operation succeeded on chain"];
    shows(&run(&["--kms", &gateway.url, "--local-key"]), &steps);

    let again = run(&["--kms", &gateway.url]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("the TEE has an admin already"));
}

/// The demo of `--keep`; interrupted when dropped.
struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

#[test]
fn with_a_bundler_the_example_page_is_built_with_the_relays_url_as_its_bundler() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_demo"));
    // It is started later, if at all.
    demo.args(["--keep", "--bundler", "http://127.0.0.1:4337", "--project"]).arg(project);
    let mut kept = Kept(demo.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap());

    let mut lines = BufReader::new(kept.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let start = lines.find(|line| line.contains("npm start")).unwrap();
    let urls = start.split_once("URLS=").unwrap().1.split_once('}').unwrap().0;
    let urls: Value = serde_json::from_str(&format!("{urls}}}")).unwrap();
    assert_eq!(urls["bundler"], urls["rpc"]);

    let address = urls["rpc"].as_str().unwrap().trim_start_matches("http://");
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"eth_supportedEntryPoints","params":[]}"#;
    let head = "POST / HTTP/1.1\r\nhost: relay\r\ncontent-type: application/json\r\nconnection: close";
    let mut relay = TcpStream::connect(address).unwrap();
    write!(relay, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    relay.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("bundler_unavailable"), "{answer}");
}

#[test]
fn a_version_that_does_not_exist_is_refused_with_those_that_do() {
    let output = run(&["--entrypoint", "0.5"]);

    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("0.6, 0.7, 0.8 or 0.9"));
}

#[test]
fn a_missing_product_is_named() {
    let output = run(&["--super-relay", "/nonexistent/super-relay"]);

    assert!(!output.status.success());
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(problem.contains("/nonexistent/super-relay is missing"), "{problem}");
}
