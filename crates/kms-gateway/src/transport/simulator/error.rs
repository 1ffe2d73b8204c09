//! Errors of the simulator's files.

use std::io;

use thiserror::Error;

/// Why the simulator's state cannot be opened or written.
#[derive(Debug, Error)]
pub enum SealedFileError {
    /// The operating system refused.
    #[error("the simulator's files: {0}")]
    Io(io::Error),
    /// Another process has it open.
    #[error("another process has the simulator's state open")]
    Locked,
    /// A state was sealed here once, and is missing. A fresh one would have other keys.
    #[error("the simulator's state is missing, though its key file says there was one")]
    StateMissing,
    /// There is a state but no key to open it with.
    #[error("the simulator's key file is missing, though there is a state sealed with it")]
    KeyMissing,
    /// The key file has an unexpected length or mark.
    #[error("the simulator's key file is damaged")]
    KeyMalformed,
    /// The key file's mode lets others read it.
    #[error("the simulator's key file is readable by others: chmod 600 it")]
    KeyReadableByOthers,
    /// Truncated, changed, or sealed with another key.
    #[error("the simulator's state is damaged, or sealed with another key")]
    StateDamaged,
    /// The counter cannot be incremented further.
    #[error("the simulator's counter is exhausted")]
    CounterExhausted,
    /// The operating system provided no randomness.
    #[error("the operating system provided no randomness")]
    NoRandomness,
}
