//! Several frames in one, so that requests that wait together cross into the secure world together.

use serde::{Deserialize, Serialize};

use super::Opcode;
use super::reply_length::{COUNT, LENGTH, STATUS};
use crate::bytes::{BoundedBytes, BoundedList};
use crate::limits::{MAX_BATCH, MAX_FRAME, MAX_REPLY};

/// Asks for a reply to each frame, in order and each as if it had come alone. Nothing is done at
/// all, and the answer is `TooLarge`, if [`crate::frame::batch_reply_limit`] is over [`MAX_REPLY`].
///
/// Only commands that may be repeated are taken in a batch ([`Opcode::batched_reply_limit`]): a
/// batch whose reply is lost can be sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Requests, each a whole frame; together they fit into one ([`MAX_FRAME`]).
    pub frames: BoundedList<BoundedBytes<MAX_FRAME>, MAX_BATCH>,
}

/// The replies to a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchReply {
    /// As many as there were frames, in the same order, each the very reply that the frame would
    /// have got alone.
    pub replies: BoundedList<BoundedBytes<MAX_REPLY>, MAX_BATCH>,
}

impl Batch {
    /// Bytes of the longest reply to a batch whose frames carry these commands; `None` for a frame
    /// that is refused.
    pub(crate) fn reply_limit_of(opcodes: impl Iterator<Item = Option<Opcode>>) -> usize {
        let reply = |opcode: Option<Opcode>| LENGTH + opcode.and_then(Opcode::batched_reply_limit).unwrap_or(STATUS);
        STATUS + COUNT + opcodes.map(reply).sum::<usize>()
    }
}
