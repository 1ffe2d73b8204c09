//! Packs several frames into one, and unpacks their replies.

use proto::Bounded;
use proto::bytes::{BoundedList, TooLong};
use proto::command::Batch;
use proto::frame::{decode_reply, encode_request};

/// The outcome of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A reply for each frame, in order.
    Replies(Vec<Vec<u8>>),
    /// The trusted application refused the batch, and did nothing.
    Refused(proto::Status),
    /// Not a valid reply.
    Garbled,
}

/// One frame that contains all of these.
pub(super) fn pack<'a>(frames: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let frames = frames.map(|frame| Bounded::new(frame.to_vec())).collect::<Result<Vec<_>, TooLong>>().ok()?;
    encode_request(&Batch { frames: BoundedList::new(frames).ok()? }).ok()
}

/// Splits the reply into those to this many frames.
pub(super) fn unpack(reply: &[u8], frames: usize) -> Outcome {
    match decode_reply::<Batch>(reply) {
        Ok(Ok(batch)) if batch.replies.len() == frames => {
            Outcome::Replies(batch.replies.iter().map(|reply| reply.to_vec()).collect())
        }
        Ok(Err(refusal)) => Outcome::Refused(refusal),
        Ok(Ok(_)) | Err(_) => Outcome::Garbled,
    }
}
