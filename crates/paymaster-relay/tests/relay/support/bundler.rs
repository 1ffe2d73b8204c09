//! A bundler's JSON-RPC over HTTP whose answers the test decides, and which records what it was
//! asked.

use std::net::TcpListener as Listener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proto::EntryPointVersion::{self, V06, V07, V08, V09};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::node::read_body;

/// Those that it supports.
const ENTRY_POINTS: [EntryPointVersion; 4] = [V06, V07, V08, V09];

/// The answer to a call.
#[derive(Clone, Debug)]
pub enum Says {
    /// This text as the result.
    Result(String),
    /// This text as the error.
    Error(String),
    /// This status line, with this body.
    Http(&'static str, &'static str),
    /// Nothing, on a connection that stays open.
    Nothing,
    /// Nothing, on a connection that is closed.
    HangsUp,
    /// A result of that many bytes.
    Long(usize),
}

type Answers = Box<dyn Fn(&Value) -> Says + Send>;

/// A bundler.
#[derive(Clone)]
pub struct Bundler(Arc<Inner>);

struct Inner {
    address: String,
    asked: Mutex<Vec<Value>>,
    answers: Mutex<Answers>,
}

impl Bundler {
    /// Listens on a free port, within the test's runtime.
    pub fn of_chain(chain_id: u64) -> Self {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let inner = Arc::new(Inner {
            address: format!("http://{}", listener.local_addr().unwrap()),
            asked: Mutex::default(),
            answers: Mutex::new(Box::new(|_| Says::Result("null".to_owned()))),
        });
        let bundler = Self(Arc::clone(&inner));
        bundler.says(move |_| None, chain_id);
        tokio::spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&inner).answer(socket));
            }
        });
        bundler
    }

    /// The same on anvil's chain.
    pub fn start() -> Self {
        Self::of_chain(31337)
    }

    fn says(&self, answer: impl Fn(&Value) -> Option<Says> + Send + 'static, chain_id: u64) {
        let usual = move |call: &Value| match call["method"].as_str() {
            Some("eth_chainId") => Says::Result(format!("\"{chain_id:#x}\"")),
            Some("eth_supportedEntryPoints") => {
                Says::Result(json!(ENTRY_POINTS.map(|version| version.canonical_address().to_string())).to_string())
            }
            _ => Says::Result("null".to_owned()),
        };
        *self.0.answers.lock().unwrap() = Box::new(move |call| answer(call).unwrap_or_else(|| usual(call)));
    }

    /// Answers every call like this, except the question for its chain.
    pub fn answers(&self, says: Says) {
        self.says(move |call| (call["method"] != "eth_chainId").then(|| says.clone()), 31337);
    }

    /// The same for calls of that method only.
    pub fn answers_to(&self, method: &'static str, says: Says) {
        self.says(move |call| (call["method"] == method).then(|| says.clone()), 31337);
    }

    /// Answers every call like this.
    pub fn fails(&self, says: Says) {
        self.says(move |_| Some(says.clone()), 31337);
    }

    pub fn url(&self) -> &str {
        &self.0.address
    }

    /// The calls that it was asked, without those for its chain.
    pub fn asked(&self) -> Vec<Value> {
        let asked = self.0.asked.lock().unwrap();
        asked.iter().filter(|call| call["method"] != "eth_chainId").cloned().collect()
    }
}

impl Inner {
    async fn answer(self: Arc<Self>, mut socket: TcpStream) {
        let Some(body) = read_body(&mut socket).await else { return };
        let call: Value = serde_json::from_str(&body).unwrap();
        let says = (self.answers.lock().unwrap())(&call);
        let id = call["id"].clone();
        self.asked.lock().unwrap().push(call);
        let (status, body) = match says {
            Says::Result(text) => ("200 OK", format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{text}}}"#)),
            Says::Error(text) => ("200 OK", format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{text}}}"#)),
            Says::Http(status, body) => (status, body.replace("ID", &id.to_string())),
            Says::Long(length) => {
                ("200 OK", format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"{}"}}"#, "a".repeat(length)))
            }
            Says::HangsUp => return,
            Says::Nothing => {
                sleep(Duration::from_secs(300)).await;
                return;
            }
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n");
        // A client that is gone needs no answer.
        let _ = socket.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).await;
    }
}

/// An address at which nothing listens.
pub fn nowhere() -> String {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
