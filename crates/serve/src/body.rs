//! The body of a request, with its deadline.

use std::error::Error as StdError;
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

/// A request's body as it arrives. Fails with [`BodyTimeout`] when it is not there in time.
pub struct Body {
    incoming: Incoming,
    connection: Arc<Connection>,
    table: Arc<Table>,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Body {
    pub(crate) fn new(incoming: Incoming, connection: Arc<Connection>, table: Arc<Table>) -> Self {
        let mut body = Self { incoming, connection, table, deadline: None };
        if body.incoming.is_end_stream() {
            body.connection.serving();
        } else {
            let until: Instant = body.connection.receiving_body();
            body.deadline = Some(Box::pin(sleep_until(until)));
        }
        body
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
        let polled = Pin::new(&mut self.incoming).poll_frame(context);
        match polled {
            Poll::Ready(frame) => {
                if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
                    self.table.hold(&self.connection, data.len());
                }
                if frame.is_none() || self.incoming.is_end_stream() {
                    self.received();
                }
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => match self.deadline.as_mut().map(|deadline| deadline.as_mut().poll(context)) {
                Some(Poll::Ready(())) => Poll::Ready(Some(Err(BodyTimeout.into()))),
                _ => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
