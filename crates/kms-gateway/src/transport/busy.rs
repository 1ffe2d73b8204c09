//! Why a frame is not sent now, with the limit that it would be over.

use std::time::Duration;

use thiserror::Error;

/// Why the queue to the TEE takes no frame. The frame was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Busy {
    /// The part of the queue for the asker's requests, or for those of this kind, is full.
    #[error(
        "of a queue for {queue_length} waiting requests (kms.tee_queue_length), {share} may be this caller's or of this \
         kind at present, and as many are under way"
    )]
    Full {
        /// Requests that this caller, or callers of this kind, may have in the queue and the TEE at
        /// once, as others leave it now.
        share: usize,
        /// Requests that may wait besides the one being answered, `kms.tee_queue_length`.
        queue_length: usize,
    },
    /// The call under way takes too long.
    #[error("the call under way takes over {} ms (kms.tee_stuck_after_ms)", .after.as_millis())]
    Stuck {
        /// `kms.tee_stuck_after_ms`.
        after: Duration,
    },
    /// No call has come back in time since one took too long or a session was lost.
    #[error("after a failure it takes 1 request at a time, until one is answered in time")]
    HalfOpen,
}
