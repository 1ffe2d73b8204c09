//! A connection's bytes: ends when the connection is evicted, holds its place for as long as it is open, upgraded or not.
//!
//! While the client does not take what is written to it, nothing more is read from it, nor while a WebSocket has more answers
//! waiting than [`AHEAD`], but for one read after as many bytes of them: otherwise the answers to what it sends would pile up in
//! memory, and without a read the pongs of a client that is slow and takes all of them would go unheard. It has as long to go on as a connection may be idle.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::frames::Frames;
use crate::handshake::Headers;
use crate::table::Slot;

/// Bytes of memory that answers which wait to be written may cost while a WebSocket is read from.
const AHEAD: usize = 64 << 10;

/// Messages of a WebSocket that may wait for an answer while more is read: also those that the service's library answers by
/// itself.
const MESSAGES_AHEAD: usize = 64;
/// Without a write for so long, none of them waits: a notification has no answer.
const CALM: Duration = Duration::from_millis(50);
/// Bytes of one read of a WebSocket, so that few messages come with it.
const WEB_SOCKET_READ: usize = 1024;

type Evicted = Pin<Box<WaitForCancellationFutureOwned>>;

pub(crate) struct Stream {
    tcp: TcpStream,
    slot: Slot,
    /// One for each half: the halves of an upgraded connection belong to different tasks, and both have to hear of it.
    evicted_reading: Evicted,
    evicted_writing: Evicted,
    /// Since the client takes nothing: when it has to.
    untaken: Option<Pin<Box<Sleep>>>,
    /// Who waits to read meanwhile.
    reader: Option<Waker>,
    /// Bytes that the client took since the last read.
    taken: usize,
    /// What was read goes to tasks: they come first, and with them the count of what they answer.
    has_to_yield: bool,
    headers: Headers,
    frames: Frames,
    /// Messages that were read and have no answer yet, about: each write has one.
    messages: usize,
    /// While these are too many: when none of them can wait any more.
    calm: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    pub(crate) fn new(tcp: TcpStream, slot: Slot) -> Self {
        let evicted = || Box::pin(slot.connection.evicted.clone().cancelled_owned());
        let (evicted_reading, evicted_writing) = (evicted(), evicted());
        Self {
            tcp,
            slot,
            evicted_reading,
            evicted_writing,
            untaken: None,
            reader: None,
            taken: 0,
            has_to_yield: false,
            headers: Headers::default(),
            frames: Frames::default(),
            messages: 0,
            calm: None,
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        let connection = &self.slot.connection;
        connection.received();
        self.taken = 0;
        if connection.is_upgraded() {
            self.messages += self.frames.messages(bytes);
            self.has_to_yield = true;
            self.slot.hold(bytes.len(), self.frames.incomplete());
        } else {
            connection.reads.add(self.headers.end_with(bytes));
        }
    }

    fn written(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(outcome) = &outcome {
            let bytes = *outcome.as_ref().unwrap_or(&0);
            self.slot.connection.take(bytes);
            self.taken = self.taken.saturating_add(bytes);
            (self.messages, self.calm) = (self.messages.saturating_sub(1), None);
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
        // The other half ends with it.
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
        if std::mem::take(&mut self.has_to_yield) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let connection = &self.slot.connection;
        let is_ahead = connection.is_upgraded() && connection.untaken() > AHEAD && self.taken <= AHEAD;
        if self.untaken.is_some() || is_ahead {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        if self.messages > MESSAGES_AHEAD {
            self.reader = Some(context.waker().clone());
            let calm = self.calm.get_or_insert_with(|| Box::pin(sleep(CALM)));
            ready!(calm.as_mut().poll(context));
            (self.messages, self.calm) = (0, None);
        }
        let before = buffer.filled().len();
        if self.slot.connection.is_upgraded() {
            let mut few = [0; WEB_SOCKET_READ];
            let most = buffer.remaining().min(few.len());
            let mut few = ReadBuf::new(&mut few[..most]);
            ready!(Pin::new(&mut self.tcp).poll_read(context, &mut few))?;
            buffer.put_slice(few.filled());
        } else {
            ready!(Pin::new(&mut self.tcp).poll_read(context, buffer))?;
        }
        if let read @ [_, ..] = &buffer.filled()[before..] {
            self.received(read);
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
