//! A connection's byte stream: ends when the connection is evicted, and holds its place while it is
//! open, upgraded or not.
//!
//! While the client does not read what is written to it, nothing more is read from it: otherwise
//! the answers to its requests would pile up in memory. It has as long to resume as a connection
//! may be idle.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::table::Slot;

/// Number of reads of an upgraded connection after which other tasks get a turn: a client may send
/// any number of small frames.
const IN_A_ROW: u32 = 8;

type Evicted = Pin<Box<WaitForCancellationFutureOwned>>;

pub(crate) struct Stream {
    tcp: TcpStream,
    slot: Slot,
    /// One per half: the halves of an upgraded connection belong to different tasks, and both have
    /// to be notified.
    evicted_reading: Evicted,
    evicted_writing: Evicted,
    /// While the client does not read: its deadline to resume.
    untaken: Option<Pin<Box<Sleep>>>,
    /// The waiting reader in that state.
    reader: Option<Waker>,
    /// Reads since other tasks had a turn.
    in_a_row: u32,
}

impl Stream {
    pub(crate) fn new(tcp: TcpStream, slot: Slot) -> Self {
        let evicted = || Box::pin(slot.connection.evicted.clone().cancelled_owned());
        let (evicted_reading, evicted_writing) = (evicted(), evicted());
        Self { tcp, slot, evicted_reading, evicted_writing, untaken: None, reader: None, in_a_row: 0 }
    }

    fn written(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(outcome) = &outcome {
            self.slot.connection.take(*outcome.as_ref().unwrap_or(&0));
            self.untaken = None;
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
        if outcome.is_ready() {
            return outcome;
        }
        let patience = self.slot.connection.idle();
        let untaken = self.untaken.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(untaken.as_mut().poll(context));
        // Ends the other half too.
        self.slot.connection.evicted.cancel();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

fn still_admitted(evicted: &mut Evicted, context: &mut Context<'_>) -> io::Result<()> {
    match evicted.as_mut().poll(context) {
        Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
        Poll::Pending => Ok(()),
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        still_admitted(&mut self.evicted_reading, context)?;
        if self.untaken.is_some() {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        if self.in_a_row >= IN_A_ROW {
            self.in_a_row = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.tcp).poll_read(context, buffer);
        if outcome.is_pending() {
            self.in_a_row = 0;
        }
        ready!(outcome)?;
        let read = buffer.filled().len() - before;
        if read > 0 {
            self.slot.connection.received();
            if self.slot.connection.is_upgraded() {
                self.in_a_row += 1;
                self.slot.hold_incomplete(read);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        still_admitted(&mut self.evicted_writing, context)?;
        let outcome = Pin::new(&mut self.tcp).poll_write(context, bytes);
        self.written(context, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        still_admitted(&mut self.evicted_writing, context)?;
        let outcome = Pin::new(&mut self.tcp).poll_write_vectored(context, slices);
        self.written(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }
}
