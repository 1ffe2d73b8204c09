//! A node with injected faults: it forwards requests to a real one, and records them.

use std::net::TcpListener as Listener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// The injected fault.
#[derive(Clone, Copy)]
pub enum Fault {
    /// No fault.
    None,
    /// It answers with this status line and body.
    Answers(&'static str, &'static str),
    /// Gives this answer to matching bodies.
    AnswersTo(fn(&str) -> bool, &'static str),
    /// Refuses matching bodies by HTTP status 429, after that time.
    Limits(fn(&str) -> bool, Duration),
    /// Takes that many calls a second, and as many at once; refuses the others by HTTP status 429.
    Rate(u32),
    /// Fails for matching bodies by HTTP status 503, after that time.
    Fails(fn(&str) -> bool, Duration),
    /// Sends an endless answer to matching bodies.
    Endless(fn(&str) -> bool),
    /// Forwards requests, and rewrites the answers, including those within a batch.
    Rewrites(fn(&Value, &mut Value)),
    /// Delays requests that contain this text.
    Slow(&'static str, Duration),
    /// It takes that long for each `eth_call` of a body.
    SlowCalls(Duration),
    /// What asks for logs goes to a backend that has blocks up to this one only.
    LogsUpTo(u64),
}

/// A proxy in front of a real node.
pub struct Node(Arc<Inner>);

struct Inner {
    address: String,
    behind: String,
    fault: Mutex<Fault>,
    asked: Mutex<Vec<String>>,
    /// For [`Fault::Rate`]: the calls that it would have taken by then, and when that was.
    taken: Mutex<(f64, Instant)>,
    sent: AtomicU64,
}

impl Node {
    /// Listens on a free port, within the test's runtime.
    pub fn before(url: &str) -> Self {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let inner = Arc::new(Inner {
            address: format!("http://{}", listener.local_addr().unwrap()),
            behind: url.to_owned(),
            fault: Mutex::new(Fault::None),
            asked: Mutex::default(),
            taken: Mutex::new((0.0, Instant::now())),
            sent: AtomicU64::new(0),
        });
        let serving = Arc::clone(&inner);
        tokio::spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).answer(socket));
            }
        });
        Self(inner)
    }

    /// Replaces the node in the settings.
    pub fn within(settings: &mut Value) -> Self {
        let node = Self::before(settings["chain"]["rpc_url"].as_str().unwrap());
        settings["chain"]["rpc_url"] = node.url().into();
        node
    }

    pub fn url(&self) -> &str {
        &self.0.address
    }

    pub fn fail(&self, fault: Fault) {
        *self.0.fault.lock().unwrap() = fault;
    }

    /// The received bodies that contain this text.
    pub fn asked(&self, what: &str) -> Vec<String> {
        self.0.asked.lock().unwrap().iter().filter(|body| body.contains(what)).cloned().collect()
    }

    /// Bytes read from its endless bodies.
    pub fn sent(&self) -> u64 {
        self.0.sent.load(Ordering::SeqCst)
    }
}

impl Inner {
    async fn answer(self: Arc<Self>, mut socket: TcpStream) {
        let Some(body) = read_body(&mut socket).await else { return };
        self.asked.lock().unwrap().push(body.clone());
        let fault = *self.fault.lock().unwrap();
        let (status, answer) = match fault {
            Fault::Answers(status, body) => (status.to_owned(), body.to_owned()),
            Fault::AnswersTo(to, answer) if to(&body) => ("200 OK".to_owned(), answer.to_owned()),
            Fault::Rate(most) if !self.takes(&body, f64::from(most)) => {
                ("429 Too Many Requests".to_owned(), String::new())
            }
            Fault::Limits(what, after) if what(&body) => {
                sleep(after).await;
                ("429 Too Many Requests".to_owned(), String::new())
            }
            Fault::Fails(what, after) if what(&body) => {
                sleep(after).await;
                ("503 Service Unavailable".to_owned(), String::new())
            }
            Fault::Endless(to) if to(&body) => return self.send_without_end(socket).await,
            Fault::Slow(what, how_long) if body.contains(what) => {
                sleep(how_long).await;
                self.forwarded(body).await
            }
            Fault::SlowCalls(each) => {
                sleep(each * u32::try_from(body.matches("eth_call").count()).unwrap()).await;
                self.forwarded(body).await
            }
            Fault::Rewrites(rewrite) => {
                let (status, answer) = self.forwarded(body.clone()).await;
                (status, rewritten(&body, &answer, rewrite))
            }
            Fault::LogsUpTo(has) if body.contains("eth_getLogs") => {
                let (status, answer) = self.forwarded(body.clone()).await;
                (status, rewritten(&body, &answer, |question, answer| lag(question, answer, has)))
            }
            Fault::AnswersTo(..)
            | Fault::Limits(..)
            | Fault::Rate(_)
            | Fault::Fails(..)
            | Fault::Endless(_)
            | Fault::Slow(..)
            | Fault::LogsUpTo(_)
            | Fault::None => self.forwarded(body).await,
        };
        let length = answer.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n");
        let answer = format!("{head}connection: close\r\n\r\n{answer}");
        // A client that is gone needs no answer.
        let _ = socket.write_all(answer.as_bytes()).await;
    }

    /// Whether the calls of a body are within the rate.
    fn takes(&self, body: &str, most: f64) -> bool {
        let calls = f64::from(u32::try_from(body.matches("\"method\"").count()).unwrap());
        let mut taken = self.taken.lock().unwrap();
        let left = (taken.0 - taken.1.elapsed().as_secs_f64() * most).max(0.0);
        let is_taken = left + calls <= most;
        *taken = (if is_taken { left + calls } else { left }, Instant::now());
        is_taken
    }

    async fn forwarded(&self, body: String) -> (String, String) {
        let request = devkit::http::client().post(&self.behind).header("content-type", "application/json").body(body);
        let answer = request.send().await.unwrap();
        (format!("{} forwarded", answer.status().as_u16()), answer.text().await.unwrap())
    }

    async fn send_without_end(&self, mut socket: TcpStream) {
        let part = vec![b' '; 1 << 16];
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
        let mut sent = socket.write_all(head.as_bytes()).await;
        while sent.is_ok() {
            sent = socket.write_all(&part).await;
            self.sent.fetch_add(1 << 16, Ordering::SeqCst);
        }
    }
}

fn rewritten(body: &str, answer: &str, rewrite: impl Fn(&Value, &mut Value)) -> String {
    let (question, mut answer): (Value, Value) =
        (serde_json::from_str(body).unwrap(), serde_json::from_str(answer).unwrap());
    match (&question, &mut answer) {
        (Value::Array(questions), Value::Array(answers)) => {
            for answer in answers {
                let question = questions.iter().find(|question| question["id"] == answer["id"]);
                rewrite(question.unwrap(), answer);
            }
        }
        (question, answer) => rewrite(question, answer),
    }
    answer.to_string()
}

/// Answers like geth without the blocks after that one.
fn lag(question: &Value, answer: &mut Value, has: u64) {
    let is_missing = |number: &Value| {
        let number = number.as_str().unwrap().trim_start_matches("0x");
        u64::from_str_radix(number, 16).unwrap() > has
    };
    match question["method"].as_str().unwrap() {
        "eth_getLogs" => answer["result"].as_array_mut().unwrap().retain(|log| !is_missing(&log["blockNumber"])),
        "eth_getBlockByNumber" if is_missing(&question["params"][0]) => answer["result"] = Value::Null,
        _ => {}
    }
}

/// The body of one request; `None` if the client hangs up.
pub async fn read_body(socket: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let count = socket.read(&mut part).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.to_ascii_lowercase().split_once("content-length: ").unwrap().1.to_owned();
        if body.len() >= length.lines().next().unwrap().parse().unwrap() {
            return Some(body.to_owned());
        }
    }
}
