//! The body of a request, with its deadline.

use std::error::Error as StdError;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::EXPECT;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::connection::Connection;
use crate::table::Table;

/// The client did not send its body in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the body was not received in time")]
pub struct BodyTimeout;

impl BodyTimeout {
    /// Whether an error from reading a body was caused by this one.
    #[must_use]
    pub fn is_cause_of(error: &(dyn StdError + 'static)) -> bool {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.is::<Self>() {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

/// A frame is passed on at this length, in bytes, or at the end.
const PART: usize = 16 << 10;

/// Limits for draining an unread body: bytes and duration.
const MOST_OF_REST: usize = 1 << 20;
const REST_WITHIN: Duration = Duration::from_secs(1);

/// A request's body as it arrives, without trailers. Fails with [`BodyTimeout`] if it is not
/// complete in time.
///
/// Its bytes are copied: small pieces would otherwise each keep a buffer of kilobytes.
///
/// If it is dropped early, the rest is still drained for a moment: clients read an answer after
/// they have sent everything, and closing a connection with unread bytes discards the answer.
pub struct Body {
    /// `None` if nothing more may be read.
    incoming: Option<Incoming>,
    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110, section
    /// 10.1.1).
    is_awaited: bool,
    gathered: Vec<u8>,
    connection: Arc<Connection>,
    table: Arc<Table>,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Body {
    /// The body of a request with these headers.
    pub(crate) fn new(incoming: Incoming, headers: &HeaderMap, connection: Arc<Connection>, table: Arc<Table>) -> Self {
        let deadline = if incoming.is_end_stream() {
            connection.serving();
            None
        } else {
            let until: Instant = connection.receiving_body();
            Some(Box::pin(sleep_until(until)))
        };
        let (incoming, is_awaited) = (Some(incoming), headers.contains_key(EXPECT));
        Self { incoming, is_awaited, gathered: Vec::new(), connection, table, deadline }
    }

    fn is_read(&self) -> bool {
        self.incoming.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn part(&mut self) -> Option<Result<Frame<Bytes>, <Self as HttpBody>::Error>> {
        let part = mem::take(&mut self.gathered);
        (!part.is_empty()).then(|| Ok(Frame::data(part.into())))
    }

    fn received(&mut self) {
        if self.deadline.take().is_some() {
            self.connection.serving();
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Box<dyn StdError + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            let Some(incoming) = &mut self.incoming else { return Poll::Ready(self.part()) };
            match Pin::new(incoming).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    self.table.hold(&self.connection, data.len());
                    self.gathered.extend_from_slice(&data);
                    let is_end = self.is_read();
                    if is_end {
                        self.received();
                    }
                    if is_end || self.gathered.len() >= PART {
                        return Poll::Ready(self.part());
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
                Poll::Ready(None) => {
                    self.received();
                    return Poll::Ready(self.part());
                }
                Poll::Pending => {
                    let deadline = self.deadline.as_mut().map(|deadline| deadline.as_mut().poll(context));
                    return match deadline {
                        Some(Poll::Ready(())) => Poll::Ready(Some(Err(BodyTimeout.into()))),
                        _ => Poll::Pending,
                    };
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.gathered.is_empty() && self.is_read()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.incoming.as_ref().map(HttpBody::size_hint).unwrap_or_default();
        let gathered = self.gathered.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(gathered));
        }
        hint.set_lower(hint.lower().saturating_add(gathered));
        hint
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if self.is_read() || self.is_awaited {
            return;
        }
        if let (Some(incoming), Ok(runtime)) = (self.incoming.take(), Handle::try_current()) {
            runtime.spawn(timeout(REST_WITHIN, discard(Limited::new(incoming, MOST_OF_REST))));
        }
    }
}

async fn discard(mut body: impl HttpBody + Unpin) {
    while let Some(Ok(_)) = body.frame().await {}
}
