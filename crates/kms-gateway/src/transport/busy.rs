//! Why a frame is not sent now, with the limit that it would exceed.

use std::time::Duration;

use thiserror::Error;

/// Why the queue to the TEE refuses a frame. The frame was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Busy {
    /// The share of the queue for the asker's requests, or for those of this kind, is full.
    #[error(
        "of a queue for {queue_length} waiting requests (kms.tee_queue_length), {share} may currently be this caller's or of \
         this kind, and as many are in progress"
    )]
    Full {
        /// Requests that this caller, or callers of this kind, may currently have in the queue and
        /// the TEE at once, given the places that others use.
        share: usize,
        /// Requests that may wait besides the one in progress, `kms.tee_queue_length`.
        queue_length: usize,
    },
    /// The call in progress takes too long.
    #[error("the current call has taken over {} ms (kms.tee_stuck_after_ms)", .after.as_millis())]
    Stuck {
        /// `kms.tee_stuck_after_ms`.
        after: Duration,
    },
    /// No call has been answered in time since one took too long or a session was lost.
    #[error("after a failure it accepts 1 request at a time, until one is answered in time")]
    HalfOpen,
}
