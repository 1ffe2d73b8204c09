//! The examples of docs/api.md, run in order against a running node.
//!
//! The word after a block's language says what it is for: `sh prelude` stands before every later
//! `sh run`; `sh run` must succeed, and answer what the `json answer` after it shows; `js NAME.mjs`
//! is a file; `js browser IN OUT` is what a page does with a passkey, done by a software passkey.

use std::path::Path;
use std::process::{Command, Stdio};

use devkit::SoftPasskey;
use serde_json::Value;
use tempfile::TempDir;

use super::markdown::{Block, blocks};
use super::node::Node;
use super::project;
use super::shape::differences;

pub const PAGE: &str = "docs/api.md";
/// Those of the demo.
const RP_ID: &str = "localhost";
const ORIGIN: &str = "http://localhost:5173";
const LEAST_EXAMPLES: usize = 15;

#[test]
fn every_example_of_the_api_runs_and_answers_what_is_shown() {
    let node = Node::start();
    let mut reader = Reader::of(&node.rpc, &node.kms, node.admin_key());
    for block in blocks(&project::read(PAGE)) {
        reader.follow(&block);
    }
    assert!(reader.ran > LEAST_EXAMPLES, "only {} examples ran", reader.ran);
    assert!(reader.compared > LEAST_EXAMPLES, "only {} answers were looked at", reader.compared);
}

/// Follows the page's instructions.
pub struct Reader {
    rpc: String,
    kms: String,
    admin_key: String,
    folder: TempDir,
    passkey: SoftPasskey,
    prelude: String,
    answer: Option<String>,
    ran: usize,
    compared: usize,
}

impl Reader {
    /// A reader who has that node, and the key of its TEE's admin.
    pub fn of(rpc: &str, kms: &str, admin_key: String) -> Self {
        for tool in ["curl", "jq", "node"] {
            let found = Command::new(tool).arg("--version").stdout(Stdio::null()).status();
            assert!(found.is_ok(), "{PAGE} needs {tool}");
        }
        let folder = tempfile::tempdir().unwrap();
        let ethers = project::root().join("contracts/node_modules");
        std::os::unix::fs::symlink(ethers, folder.path().join("node_modules")).unwrap();
        Self {
            rpc: rpc.to_owned(),
            kms: kms.to_owned(),
            admin_key,
            folder,
            passkey: SoftPasskey::create(RP_ID, ORIGIN).unwrap(),
            prelude: String::new(),
            answer: None,
            ran: 0,
            compared: 0,
        }
    }

    /// Where the reader keeps the files of the page.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Does what a block of the page says.
    pub fn follow(&mut self, block: &Block) {
        let info: Vec<&str> = block.info.iter().map(String::as_str).collect();
        match info[..] {
            ["sh", "prelude"] => self.prelude.push_str(&block.text),
            ["sh", "run"] => self.run(block),
            ["json", "answer"] => self.compare(block),
            ["js", "browser", from, to] => self.approve(from, to),
            ["js", file] if Path::new(file).extension().is_some_and(|extension| extension == "mjs") => {
                std::fs::write(self.folder.path().join(file), &block.text).unwrap();
            }
            ["sh" | "js" | "ts" | "json"] => {}
            _ => panic!("{PAGE}:{}: what is {info:?}?", block.line),
        }
    }

    fn run(&mut self, block: &Block) {
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &format!("{}{}", self.prelude, block.text)])
            .current_dir(self.folder.path())
            .env("PATH", project::path_with_super_relay())
            .env("RPC", &self.rpc)
            .env("KMS", &self.kms)
            .env("ADMIN_KEY", &self.admin_key)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let at = format!("{PAGE}:{}", block.line);
        assert!(output.status.success(), "{at}: {}\n{said}{}", output.status, String::from_utf8_lossy(&output.stderr));
        self.answer = Some(said);
        self.ran += 1;
    }

    fn compare(&mut self, block: &Block) {
        let at = format!("{PAGE}:{}", block.line);
        let said = self.answer.take().unwrap_or_else(|| panic!("{at}: an answer to nothing"));
        let answer: Value = serde_json::from_str(&said).unwrap_or_else(|problem| panic!("{at}: {problem}: {said}"));
        let shown = serde_json::from_str(&block.text).unwrap_or_else(|problem| panic!("{at}: {problem}"));
        let differences = differences(&shown, &answer);
        assert!(differences.is_empty(), "{at}:\n{}\n{answer:#}", differences.join("\n"));
        self.compared += 1;
    }

    fn approve(&mut self, from: &str, to: &str) {
        let asked = std::fs::read_to_string(self.folder.path().join(from)).unwrap();
        let asked: Value = serde_json::from_str(&asked).unwrap();
        let answer = match asked.get("publicKey") {
            Some(options) => self.passkey.register(options),
            None => self.passkey.assert(&asked["webauthn"]),
        };
        std::fs::write(self.folder.path().join(to), answer.unwrap().to_string()).unwrap();
    }
}
