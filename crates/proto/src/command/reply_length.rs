//! Lengths of the parts of replies, in bytes. The longest reply of a command is their sum.

use crate::limits::{MAX_FRAME, MAX_PASSKEYS, MAX_REPLY};

pub(crate) const STATUS: usize = 4;
pub(crate) const HASH: usize = 32;
pub(crate) const ADDRESS: usize = 20;
/// The item count of a list, in one byte.
pub(crate) const COUNT: usize = 1;
const _: () = assert!(crate::limits::MAX_BATCH < 128 && MAX_PASSKEYS < 128, "the count takes one byte");
/// The length prefix of a byte string, at most three bytes.
pub(crate) const LENGTH: usize = 3;
const _: () = assert!(MAX_REPLY < 1 << 21 && MAX_FRAME < 1 << 21, "a length takes three bytes");
