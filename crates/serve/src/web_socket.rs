//! WebSockets (RFC 6455) whose messages are requests with at most one answer each.
//!
//! A client's messages are read no faster than they are answered and the answers written: the
//! number of messages in between, and their memory cost, are bounded. Each message is answered in
//! its own task, so that a slow one delays no other. The task first waits for the client's turn
//! ([`Turns`](crate::Turns)). Until then no other message of the connection is read, so that few
//! tasks are runnable however many messages clients send. Only the task waits for the turn: the
//! connection may have to wait for the client, and a turn must not.

use std::future::{Future, pending};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, copy, sink};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

use crate::memory::{Held, Memory};
use crate::turns::Turn;

/// Maximum number of messages that are being answered, or whose answers wait to be written.
const AT_ONCE: usize = 64;
/// Maximum memory cost of these while another message is read, in bytes.
const AHEAD: usize = 256 << 10;
/// Size of one read, in bytes.
const READ: usize = 4 << 10;
/// Pings sent before silence ends the connection.
const PINGS: u32 = 3;
/// How often, within a message's deadline, its progress is checked.
const LOOKS: u32 = 8;
/// Maximum number of control frames between two of our pings: each is handled without a turn.
const MOST_CONTROL_FRAMES: u32 = 1000;
/// A write that takes longer is waiting for the client, and nothing is read meanwhile.
const QUICK: Duration = Duration::from_secs(1);

/// Time for the client to close its side, and the bytes it may send until then.
const CLOSING: Duration = Duration::from_secs(1);
const MOST_IN_CLOSING: u64 = 1 << 20;

/// Answers the messages of one WebSocket.
pub trait Answer: Clone + Send + 'static {
    /// Waits for the client's turn and begins it.
    fn turn(self) -> impl Future<Output = Turn> + Send;

    /// The answer to a text or binary message, whose turn has begun; `None` if there is none.
    fn answer(self, message: Bytes, turn: Turn) -> impl Future<Output = Option<String>> + Send;

    /// The answer to a message over the limit, after which the WebSocket is closed.
    fn too_long(&self) -> String;

    /// The answer to a message that did not arrive in time ([`Bounds::body`](crate::Bounds::body)),
    /// after which the WebSocket is closed.
    fn too_slow(&self) -> String;
}

/// The request is not a handshake that a server may accept (RFC 6455, section 4.2.1).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidHandshake(String);

/// A connection that becomes a WebSocket once its handshake response is written.
#[derive(Debug)]
pub struct WebSocket {
    upgrade: OnUpgrade,
    memory: Memory,
}

/// Why reading ends.
enum End {
    /// The client closed the connection, disappeared, or sends too many control frames.
    Gone,
    /// It has to be closed with this code (RFC 6455, section 7.4.1). Messages already read are
    /// answered first.
    Close(CloseCode),
}

impl WebSocket {
    /// Parses the handshake; the returned response has to be sent.
    ///
    /// # Errors
    /// [`InvalidHandshake`], also for a request that did not arrive through a
    /// [`Listener`](crate::Listener).
    pub fn of<B>(request: &mut Request<B>) -> Result<(Response<()>, Self), InvalidHandshake> {
        let response =
            create_response_with_body(request, || ()).map_err(|error| InvalidHandshake(error.to_string()))?;
        let memory = request.extensions().get::<Memory>().cloned();
        let memory = memory.ok_or_else(|| InvalidHandshake("not a connection of this server".to_owned()))?;
        Ok((response, Self { upgrade: hyper::upgrade::on(request), memory }))
    }

    /// Answers its messages, of at most `most_bytes` each, until the client closes it or `stop` is
    /// cancelled; messages already read are then still answered.
    pub async fn serve(self, most_bytes: usize, stop: CancellationToken, answer: impl Answer) {
        let upgraded = match self.upgrade.await {
            Ok(upgraded) => TokioIo::new(upgraded),
            Err(error) => return tracing::debug!(%error, "a connection did not become a WebSocket"),
        };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ)
            .write_buffer_size(0)
            .max_message_size(Some(most_bytes))
            .max_frame_size(Some(most_bytes));
        let socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, Some(config)).await;
        let session = Session {
            socket,
            pings: interval(self.memory.idle() / PINGS),
            looks: interval(self.memory.body() / LOOKS),
            memory: self.memory,
            answers: JoinSet::new(),
            waiting: None,
            control_frames: 0,
            readable_since: Instant::now(),
        };
        if let Err(error) = session.run(stop, answer).await {
            tracing::debug!(%error, "a WebSocket ended early");
        }
    }
}

/// The answer to a message at its turn, unless the connection is evicted first. Eviction is checked
/// before each step, since the memory cost of an evicted connection's messages is no longer
/// counted.
async fn answered(
    memory: Memory,
    mut held: Held,
    message: Bytes,
    answer: impl Answer,
    begun: oneshot::Sender<()>,
) -> Option<(String, Held)> {
    let at_its_turn = async {
        let turn = answer.clone().turn().await;
        // Fails if nothing more is read.
        let _ = begun.send(());
        answer.answer(message, turn).await
    };
    let text = tokio::select! {
        biased;
        () = memory.ended() => None,
        text = at_its_turn => text,
    }?;
    held.answered(text.len());
    Some((text, held))
}

/// Waits until the turn of the last message has begun, or will not begin; forever if it has.
async fn begun(waiting: &mut Option<oneshot::Receiver<()>>) {
    match waiting.as_mut() {
        Some(turn) => drop(turn.await),
        None => pending().await,
    }
    *waiting = None;
}

struct Session {
    socket: WebSocketStream<TokioIo<Upgraded>>,
    memory: Memory,
    answers: JoinSet<Option<(String, Held)>>,
    /// The turn of the last message, which has not begun.
    waiting: Option<oneshot::Receiver<()>>,
    pings: Interval,
    looks: Interval,
    /// Since our last ping.
    control_frames: u32,
    /// When reading resumed: before that the client may have waited for us.
    readable_since: Instant,
}

impl Session {
    async fn run(mut self, stop: CancellationToken, answer: impl Answer) -> Result<(), Error> {
        let End::Close(code) = self.read(&stop, &answer).await? else {
            // In response to the client's close frame.
            return self.socket.close(None).await;
        };
        while let Some(answered) = self.answers.join_next().await {
            if let Ok(Some((text, _held))) = answered {
                self.socket.send(Message::text(text)).await?;
            }
        }
        match code {
            CloseCode::Size => self.socket.send(Message::text(answer.too_long())).await?,
            CloseCode::Policy => self.socket.send(Message::text(answer.too_slow())).await?,
            _ => {}
        }
        self.socket.close(Some(CloseFrame { code, reason: "".into() })).await?;
        // Closing with unread bytes would make the system discard the last write.
        let mut rest = self.socket.get_mut().take(MOST_IN_CLOSING);
        let _ = timeout(CLOSING, copy(&mut rest, &mut sink())).await;
        Ok(())
    }

    async fn read(&mut self, stop: &CancellationToken, answer: &impl Answer) -> Result<End, Error> {
        loop {
            let is_idle = self.answers.is_empty();
            let may_read =
                self.waiting.is_none() && self.answers.len() < AT_ONCE && (is_idle || self.memory.cost() < AHEAD);
            tokio::select! {
                Some(answered) = self.answers.join_next() => {
                    if !may_read {
                        self.readable_since = Instant::now();
                    }
                    // A task that panicked has no answer.
                    if let Ok(Some((text, _held))) = answered {
                        self.send(Message::text(text)).await?;
                    }
                }
                message = self.socket.next(), if may_read => {
                    let data = match message {
                        Some(Ok(Message::Text(text))) => text.into(),
                        Some(Ok(Message::Binary(data))) => data,
                        Some(Ok(Message::Ping(payload) | Message::Pong(payload))) => {
                            self.memory.control_frame(payload.len());
                            self.control_frames += 1;
                            if self.control_frames > MOST_CONTROL_FRAMES {
                                return Ok(End::Gone);
                            }
                            continue;
                        }
                        Some(Ok(Message::Frame(_))) => continue,
                        Some(Ok(Message::Close(_))) | None => return Ok(End::Gone),
                        Some(Err(Error::Capacity(_))) => return Ok(End::Close(CloseCode::Size)),
                        Some(Err(Error::Utf8(_))) => return Ok(End::Close(CloseCode::Invalid)),
                        Some(Err(Error::Protocol(_))) => return Ok(End::Close(CloseCode::Protocol)),
                        Some(Err(error)) => return Err(error),
                    };
                    let (held, (began, turn)) = (self.memory.message(data.len()), oneshot::channel());
                    self.answers.spawn(answered(self.memory.clone(), held, data, answer.clone(), began));
                    self.waiting = Some(turn);
                }
                () = begun(&mut self.waiting) => self.readable_since = Instant::now(),
                _ = self.pings.tick() => {
                    self.control_frames = 0;
                    if may_read && self.waited_since(self.memory.last_read()) > self.memory.idle() {
                        return Ok(End::Gone);
                    }
                    self.send(Message::Ping(Bytes::new())).await?;
                }
                _ = self.looks.tick(), if may_read => {
                    let since = self.memory.incomplete_since();
                    if since.is_some_and(|since| self.waited_since(since) > self.memory.body()) {
                        return Ok(End::Close(CloseCode::Policy));
                    }
                }
                () = stop.cancelled() => return Ok(End::Close(CloseCode::Away)),
                () = self.memory.ended() => return Err(Error::ConnectionClosed),
            }
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), Error> {
        let begun = Instant::now();
        self.socket.send(message).await?;
        if begun.elapsed() > QUICK {
            self.readable_since = Instant::now();
        }
        Ok(())
    }

    /// How long the client has kept us waiting since `begun`, not counting times when nothing was
    /// read from it.
    fn waited_since(&self, begun: Instant) -> Duration {
        begun.max(self.readable_since).elapsed()
    }
}
