//! Several frames in one invocation, with a reply for each, as if each had been sent alone.

use alloc::vec::Vec;

use proto::bytes::BoundedList;
use proto::command::{Batch, BatchReply};
use proto::limits::MAX_REPLY;
use proto::{Bounded, Status, frame};

/// Answers every batchable frame, and refuses the others with `NotBatchable`.
///
/// # Errors
/// `TooLarge` before anything is done, if the replies might not fit.
pub(crate) fn answer(batch: &Batch, mut handle: impl FnMut(&[u8]) -> Vec<u8>) -> Result<BatchReply, Status> {
    if frame::batch_reply_limit(batch) > MAX_REPLY {
        return Err(Status::TooLarge);
    }
    let replies = batch.frames.iter().map(|frame| match check(frame) {
        Ok(()) => handle(frame),
        Err(refusal) => frame::encode_refusal(refusal),
    });
    let replies = replies.map(Bounded::new).collect::<Result<Vec<_>, _>>().map_err(|_| Status::TooLarge)?;
    Ok(BatchReply { replies: BoundedList::new(replies).map_err(|_| Status::TooLarge)? })
}

fn check(frame: &[u8]) -> Result<(), Status> {
    let (opcode, _) = frame::split_request(frame)?;
    opcode.batched_reply_limit().map(drop).ok_or(Status::NotBatchable)
}
