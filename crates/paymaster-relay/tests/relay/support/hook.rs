//! A server of the operator whose answers the test decides, and which records what it was sent. It
//! takes signed requests only, as the specification "Standard Webhooks" says.

use std::net::TcpListener as Listener;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Of the requests to it.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The answer to a request.
#[derive(Clone, Debug)]
pub enum HookSays {
    /// Status 200 with that body.
    Body(String),
    /// Any status line, with further headers, and that body.
    Http(&'static str, String, &'static str),
    /// A status of 200 and that many bytes.
    Long(usize),
    /// A part of an answer, and then nothing more on a connection that is closed.
    DiesMidAnswer,
    /// Nothing, on a connection that stays open.
    Nothing,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Sent {
    pub path: String,
    pub id: String,
    pub signatures: Vec<String>,
    pub body: Value,
}

type Answers = Box<dyn FnMut(&Sent) -> HookSays + Send>;

/// The server.
#[derive(Clone)]
pub struct Hook(Arc<Inner>);

struct Inner {
    address: String,
    sent: Mutex<Vec<Sent>>,
    answers: Mutex<Answers>,
}

impl Hook {
    /// Listens on a free port, within the test's runtime, and approves everything.
    pub fn start() -> Self {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let inner = Arc::new(Inner {
            address: format!("http://{}", listener.local_addr().unwrap()),
            sent: Mutex::default(),
            answers: Mutex::new(Box::new(|_| approves())),
        });
        let hook = Self(Arc::clone(&inner));
        tokio::spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&inner).answer(socket));
            }
        });
        hook
    }

    /// Answers every request like this.
    pub fn says(&self, says: HookSays) {
        self.answers(move |_| says.clone());
    }

    pub fn answers(&self, answer: impl FnMut(&Sent) -> HookSays + Send + 'static) {
        *self.0.answers.lock().unwrap() = Box::new(answer);
    }

    pub fn url(&self) -> &str {
        &self.0.address
    }

    /// What it was sent.
    pub fn sent(&self) -> Vec<Sent> {
        self.0.sent.lock().unwrap().clone()
    }

    /// What it was sent of that type.
    pub fn sent_of(&self, kind: &str) -> Vec<Sent> {
        self.sent().into_iter().filter(|sent| sent.body["type"] == kind).collect()
    }
}

pub fn approves() -> HookSays {
    HookSays::Body(r#"{"approve":true}"#.to_owned())
}

impl Inner {
    async fn answer(self: Arc<Self>, mut socket: TcpStream) {
        while let Some((head, body)) = read(&mut socket).await {
            let (method, rest) = head.split_once(' ').unwrap();
            // A probe, which is not signed.
            let is_probe = method == "HEAD";
            let says = match is_probe {
                // A server that takes signed requests only.
                true => HookSays::Http("405 Method Not Allowed", String::new(), ""),
                false => {
                    let sent = checked(rest.split(' ').next().unwrap(), &head, &body);
                    let says = (self.answers.lock().unwrap())(&sent);
                    self.sent.lock().unwrap().push(sent);
                    says
                }
            };
            let (status, headers, body) = match says {
                HookSays::Body(body) => ("200 OK", "", body),
                HookSays::Http(status, body, headers) => (status, headers, body),
                HookSays::Long(length) => {
                    ("200 OK", "", format!("{{\"approve\":true,\"x\":\"{}\"}}", "a".repeat(length)))
                }
                HookSays::DiesMidAnswer => {
                    let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{\"appr").await;
                    return;
                }
                HookSays::Nothing => {
                    // Until the client gives up.
                    let _ = socket.read(&mut [0]).await;
                    return;
                }
            };
            let length = body.len();
            let answer = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}");
            if socket.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    let of_line = |line: &str| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then(|| value.to_owned())
    };
    head.lines().find_map(of_line)
}

/// A request by somebody who knows the secret.
fn checked(path: &str, head: &str, body: &[u8]) -> Sent {
    let (id, time) = (header(head, "webhook-id").unwrap(), header(head, "webhook-timestamp").unwrap());
    let mut mac =
        Hmac::<Sha256>::new_from_slice(&STANDARD.decode(SECRET.trim_start_matches("whsec_")).unwrap()).unwrap();
    mac.update(&[id.as_bytes(), b".", time.as_bytes(), b".", body].concat());
    let own = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let signatures: Vec<_> = header(head, "webhook-signature").unwrap().split(' ').map(str::to_owned).collect();
    assert!(signatures.contains(&own), "{signatures:?} has not {own}");
    assert_eq!(header(head, "content-type").as_deref(), Some("application/json"));
    Sent { path: path.to_owned(), id, signatures, body: serde_json::from_slice(body).unwrap() }
}

/// Head and body of the next request; `None` if the client hangs up.
async fn read(socket: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let count = socket.read(&mut part).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&part[..count]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let length: usize = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        let body = &bytes[end + 4..];
        if body.len() >= length {
            return Some((head, body.to_vec()));
        }
    }
}
