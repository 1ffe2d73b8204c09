//! Whether a client sends anything with the handshake of a WebSocket. It has to wait for the response (RFC 6455, section 4.1):
//! what comes sooner is read as HTTP, and [`Frames`] would count from the middle of a frame.
//!
//! [`Frames`]: crate::frames::Frames

use std::sync::atomic::{AtomicU64, Ordering};

/// Finds the ends of headers: empty lines.
#[derive(Debug)]
pub(crate) struct Headers {
    is_line_empty: bool,
}

impl Headers {
    /// Whether these bytes, which follow those before, end with an empty line and have no other.
    pub(crate) fn end_with(&mut self, bytes: &[u8]) -> bool {
        let mut first = None;
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'\n' if self.is_line_empty => first = first.or(Some(at + 1)),
                b'\n' => self.is_line_empty = true,
                b'\r' => {}
                _ => self.is_line_empty = false,
            }
        }
        first == Some(bytes.len())
    }
}

impl Default for Headers {
    fn default() -> Self {
        Self { is_line_empty: true }
    }
}

/// Reads of a connection as HTTP. The header of a request ends in the last of them: nothing more is read while one is complete.
#[derive(Debug, Default)]
pub(crate) struct Reads(AtomicU64);

/// The read that a request ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastRead(u64);

impl Reads {
    /// There was one more; whether a header ended it.
    pub(crate) fn add(&self, header_ended_it: bool) {
        let number = (self.0.load(Ordering::SeqCst) >> 1) + 1;
        self.0.store(number << 1 | u64::from(header_ended_it), Ordering::SeqCst);
    }

    pub(crate) fn last(&self) -> LastRead {
        LastRead(self.0.load(Ordering::SeqCst))
    }

    /// Whether that one ended with a header, and nothing was read since.
    pub(crate) fn is_still_a_header(&self, read: LastRead) -> bool {
        read.0 & 1 == 1 && self.last() == read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_single_header_at_the_end_of_a_read_is_one() {
        let cases: [(&[&str], bool); 9] = [
            (&["GET / HTTP/1.1\r\nhost: test\r\n\r\n"], true),
            (&["GET / HTTP/1.1\nhost: test\n\n"], true),
            (&["GET / HTTP/1.1\r\nhost: te", "st\r\n\r", "\n"], true),
            (&["GET / HTTP/1.1\r\nhost: test\r\n"], false),
            (&["GET / HTTP/1.1\r\nhost: test\r\n\r\nx"], false),
            // What follows the header looks like the end of one.
            (&["GET / HTTP/1.1\r\nhost: test\r\n\r\nx\r\n\r\n"], false),
            (&["GET / HTTP/1.1\r\nhost: test\r\n", "\r\nx\r\n\r\n"], false),
            (&["\r\nGET / HTTP/1.1\r\nhost: test\r\n\r\n"], false),
            (&["GET / HTTP/1.1\r\nhost: test\r\n\r\n\r\n"], false),
        ];
        for (reads, expected) in cases {
            let mut headers = Headers::default();
            let last = reads.iter().map(|bytes| headers.end_with(bytes.as_bytes())).last();
            assert_eq!(last, Some(expected), "{reads:?}");
        }
    }

    #[test]
    fn a_read_after_the_header_counts_whatever_is_in_it() {
        let reads = Reads::default();
        assert!(!reads.is_still_a_header(reads.last()));
        reads.add(true);
        let header = reads.last();
        assert!(reads.is_still_a_header(header));
        reads.add(true);
        assert!(!reads.is_still_a_header(header));
        reads.add(false);
        assert!(!reads.is_still_a_header(reads.last()));
    }
}
