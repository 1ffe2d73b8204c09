//! Several frames in one, so that waiting requests enter the secure world in one call.

use serde::{Deserialize, Serialize};

use super::Opcode;
use super::reply_length::{COUNT, LENGTH, STATUS};
use crate::bytes::{BoundedBytes, BoundedList};
use crate::limits::{MAX_BATCH, MAX_FRAME, MAX_REPLY};

/// Requests a reply to each frame, in order, as if each had been sent alone. Nothing is executed,
/// and the answer is `TooLarge`, if [`crate::frame::batch_reply_limit`] exceeds [`MAX_REPLY`].
///
/// A batch accepts only commands that may be repeated ([`Opcode::batched_reply_limit`]): if its
/// reply is lost, it can be sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Requests, each a whole frame; together they must fit into one ([`MAX_FRAME`]).
    pub frames: BoundedList<BoundedBytes<MAX_FRAME>, MAX_BATCH>,
}

/// The replies to a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchReply {
    /// As many as there were frames, in the same order. Each is exactly the reply that the frame
    /// would have got alone.
    pub replies: BoundedList<BoundedBytes<MAX_REPLY>, MAX_BATCH>,
}

impl Batch {
    /// Length of the longest reply to a batch with these commands, in bytes; `None` stands for a
    /// frame that is refused.
    pub(crate) fn reply_limit_of(opcodes: impl Iterator<Item = Option<Opcode>>) -> usize {
        let reply = |opcode: Option<Opcode>| LENGTH + opcode.and_then(Opcode::batched_reply_limit).unwrap_or(STATUS);
        STATUS + COUNT + opcodes.map(reply).sum::<usize>()
    }
}
