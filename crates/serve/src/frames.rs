//! Counts the messages that a WebSocket's client sends (RFC 6455, section 5.2): of each frame the header is read, the payload
//! skipped.

/// The bits of a frame's first two bytes.
const FINAL: u8 = 0x80;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;
/// Opcodes from here on are of pings, pongs and closes.
const CONTROL: u8 = 8;
/// A mask, and the longest length.
const LONGEST_HEADER: usize = 2 + 8 + 4;

/// Where in a frame the stream is.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    header: [u8; LONGEST_HEADER],
    header_length: usize,
    /// Bytes of the payload that are still to come.
    payload: u64,
    /// Whether more frames of a message are to come.
    is_fragmented: bool,
    /// Bytes of the message that is not complete, and of what came between its frames.
    incomplete: usize,
}

impl Frames {
    /// How many messages have their last frame's header in these bytes, which follow those before.
    pub(crate) fn messages(&mut self, mut bytes: &[u8]) -> usize {
        let mut messages = 0;
        loop {
            let skipped = usize::try_from(self.payload).map_or(bytes.len(), |payload| payload.min(bytes.len()));
            self.payload -= skipped as u64;
            self.incomplete = self.incomplete.saturating_add(skipped);
            if self.payload == 0 && self.header_length == 0 && !self.is_fragmented {
                self.incomplete = 0;
            }
            let Some((next, rest)) = bytes.get(skipped..).and_then(<[u8]>::split_first) else { return messages };
            bytes = rest;
            if let Some(place) = self.header.get_mut(self.header_length) {
                *place = *next;
            }
            (self.header_length, self.incomplete) = (self.header_length + 1, self.incomplete.saturating_add(1));
            if let Some(payload) = self.payload_of_header() {
                let [first, ..] = self.header;
                if first & OPCODE < CONTROL {
                    self.is_fragmented = first & FINAL == 0;
                    messages += usize::from(!self.is_fragmented);
                }
                (self.header_length, self.payload) = (0, payload);
            }
        }
    }

    /// Bytes of the message that is not complete.
    pub(crate) fn incomplete(&self) -> usize {
        self.incomplete
    }

    /// The length of the payload, once the header is complete.
    fn payload_of_header(&self) -> Option<u64> {
        let header = &self.header[..self.header_length];
        let [_, second, rest @ ..] = header else { return None };
        let extended = match second & LENGTH {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if second & MASKED == 0 { 0 } else { 4 };
        (rest.len() == extended + mask).then(|| match extended {
            0 => u64::from(second & LENGTH),
            _ => rest.iter().take(extended).fold(0, |length, byte| length << 8 | u64::from(*byte)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, length: usize) -> Vec<u8> {
        let header = match length {
            0..=125 => vec![first, 0x80 | u8::try_from(length).unwrap()],
            126..=0xffff => [&[first, 0x80 | 126][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
            _ => [&[first, 0x80 | 127][..], &(length as u64).to_be_bytes()].concat(),
        };
        [header, vec![0xff; 4], vec![0x81; length]].concat()
    }

    #[test]
    fn messages_are_counted_however_they_are_cut_and_as_whatever_frames_they_come() {
        let ping = frame(0x89, 5);
        let fragmented = [frame(0x01, 200), ping.clone(), frame(0x00, 0), frame(0x80, 1)].concat();
        let all = [frame(0x81, 1), frame(0x82, 125), ping, fragmented, frame(0x81, 300), frame(0x81, 70_000)].concat();
        for part in [1, 2, 3, 7, 1000, all.len()] {
            let mut frames = Frames::default();
            let counted: usize = all.chunks(part).map(|bytes| frames.messages(bytes)).sum();
            assert_eq!((counted, frames.payload, frames.header_length), (5, 0, 0), "in parts of {part}");
            assert_eq!(frames.incomplete(), 0);
        }
    }

    #[test]
    fn a_message_is_incomplete_until_the_last_byte_of_its_last_frame() {
        let (first, ping, last) = (frame(0x01, 200), frame(0x89, 5), frame(0x80, 300));
        let mut frames = Frames::default();
        let mut sent = 0;
        for part in [&first[..], &ping, &last[..last.len() - 1]] {
            frames.messages(part);
            sent += part.len();
            assert_eq!(frames.incomplete(), sent);
        }
        frames.messages(&last[last.len() - 1..]);
        assert_eq!(frames.incomplete(), 0);
        frames.messages(&[&ping[..], &first[..3]].concat());
        assert_eq!(frames.incomplete(), 3);
    }
}
