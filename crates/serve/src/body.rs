//! The body of a request, with its deadline.

use std::error::Error as StdError;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use thiserror::Error;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::connection::Connection;
use crate::table::Table;

/// The client did not send its body in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the body was not received in time")]
pub struct BodyTimeout;

impl BodyTimeout {
    /// Whether an error of reading a body comes down to this one.
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

/// A frame is handed on at this length, in bytes, or at the end.
const PART: usize = 16 << 10;

/// A request's body as it arrives, without trailers. Fails with [`BodyTimeout`] when it is not
/// there in time.
///
/// Its bytes are copied: what arrives in small pieces would keep a buffer of kilobytes for each of
/// them.
pub struct Body {
    incoming: Incoming,
    gathered: Vec<u8>,
    connection: Arc<Connection>,
    table: Arc<Table>,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Body {
    pub(crate) fn new(incoming: Incoming, connection: Arc<Connection>, table: Arc<Table>) -> Self {
        let mut body = Self { incoming, gathered: Vec::new(), connection, table, deadline: None };
        if body.incoming.is_end_stream() {
            body.connection.serving();
        } else {
            let until: Instant = body.connection.receiving_body();
            body.deadline = Some(Box::pin(sleep_until(until)));
        }
        body
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
            match Pin::new(&mut self.incoming).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    self.table.hold(&self.connection, data.len());
                    self.gathered.extend_from_slice(&data);
                    let is_end = self.incoming.is_end_stream();
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
        self.gathered.is_empty() && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (gathered, mut hint) = (self.gathered.len() as u64, self.incoming.size_hint());
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(gathered));
        }
        hint.set_lower(hint.lower().saturating_add(gathered));
        hint
    }
}
