//! `demo --keep` as a child process: what the page tells its readers to start.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::project;

/// A chain, a node and a KMS on free ports, with one operation sponsored already; stopped when
/// dropped.
pub struct Node {
    process: Child,
    pub rpc: String,
    pub kms: String,
    pub operations: String,
    page: String,
    /// The page of the node itself.
    served: String,
    folder: PathBuf,
}

impl Node {
    pub fn start() -> Self {
        let demo = Path::new(env!("CARGO_BIN_EXE_super-relay")).with_file_name("demo");
        assert!(demo.is_file(), "{} is missing: add --test demo, which builds it", demo.display());
        let mut process = Command::new(demo)
            .args(["--keep", "--project"])
            .arg(project::root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        // If the demo fails, the process ends, and so does its output.
        let mut running = said.find(|line| line.contains(" running ")).expect("the demo failed");
        while !running.contains("Ctrl-C") {
            running = format!("{running}\n{}", said.next().expect("the demo failed"));
        }
        let after = |name: &str| {
            let rest = running.split_once(name).unwrap_or_else(|| panic!("no {name}: {running}")).1;
            rest.split([',', ';', '\n']).next().unwrap().trim_end_matches('/').to_owned()
        };
        let (rpc, kms, operations) = (after("JSON-RPC at "), after("KMS at "), after("status and metrics at "));
        let file = PathBuf::from(after("configuration "));
        let folder = file.parent().unwrap();
        let page = running.lines().find(|line| line.contains("examples/viem-page")).unwrap().trim().to_owned();
        let served = running.split_once("open ").unwrap().1.split(": ").next().unwrap().to_owned();
        Self { process, rpc, kms, operations, page, served, folder: folder.into() }
    }

    /// The key in `bootstrap.admin_key_file`, in hex.
    pub fn admin_key(&self) -> String {
        format!("0x{}", std::fs::read_to_string(self.folder.join("admin.key")).unwrap().trim())
    }
}

/// On a signal it stops chain and node too; if killed, it would leave both running.
impl Drop for Node {
    fn drop(&mut self) {
        let id = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn a_kept_demo_says_where_its_operations_its_page_and_its_configuration_are() {
    let node = Node::start();

    assert_eq!(devkit::http::get(format!("{}/readyz", node.operations)).await.unwrap().status(), 200);
    let configuration = std::fs::read_to_string(node.folder.join("demo.toml")).unwrap();
    assert!(configuration.contains("relay-key.json"), "{configuration}");
    assert!(node.folder.join("node.log").is_file());
    let Node { page, rpc, kms, .. } = &node;
    let start = "page at http://localhost:5173, once started: (cd examples/viem-page && npm start -- '--define:URLS=";
    let urls = page.strip_prefix(start).and_then(|rest| rest.strip_suffix("')")).expect(page);
    let urls: serde_json::Value = serde_json::from_str(urls).unwrap();
    assert_eq!((&urls["rpc"], &urls["kms"]), (&rpc.as_str().into(), &kms.as_str().into()));
    assert!(urls["chain"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{page}");

    let served = devkit::http::get(&node.served).await.unwrap();
    assert!(served.headers()["content-type"].to_str().unwrap().starts_with("text/html"), "{}", node.served);
    assert!(configuration.contains(&format!("{:?}", node.served)), "its origin is not in kms.origins: {configuration}");
}
