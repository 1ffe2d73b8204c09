//! What the shipped trusted application has not: a command that panics, and randomness that a test foretells.

use core::cell::RefCell;

use optee_utee::{ErrorKind, Result};
use sha2::{Digest, Sha256};

use crate::invocation::Invocation;

const PANIC: u32 = 1;
/// The frame is a seed of 32 bytes: from here on, until the instance ends, randomness follows from it as
/// `ta::memory::SeededEntropy` has it.
const SEED: u32 = 2;

struct Stream {
    seed: [u8; 32],
    drawn: u64,
}

struct Foretold(RefCell<Option<Stream>>);

#[expect(unsafe_code, reason = "state between commands can only live in a static")]
// SAFETY: as for the core in `instance`.
unsafe impl Sync for Foretold {}

static FORETOLD: Foretold = Foretold(RefCell::new(None));

/// `None` for a command that is no test's.
#[expect(clippy::panic, reason = "that is what it is for")]
pub(crate) fn invoke(command: u32, invocation: &mut Invocation<'_>) -> Option<Result<()>> {
    match command {
        PANIC => panic!("a test asked for it"),
        SEED => Some(seed(invocation)),
        _ => None,
    }
}

fn seed(invocation: &mut Invocation<'_>) -> Result<()> {
    let seed = invocation.copy_frame().ok().and_then(|frame| frame.try_into().ok()).ok_or(ErrorKind::BadParameters)?;
    *FORETOLD.0.try_borrow_mut().map_err(|_| ErrorKind::Busy)? = Some(Stream { seed, drawn: 0 });
    invocation.answer(&[])
}

/// Whether these bytes were foretold.
pub(crate) fn foretold(bytes: &mut [u8]) -> bool {
    let Ok(mut foretold) = FORETOLD.0.try_borrow_mut() else { return false };
    let Some(stream) = foretold.as_mut() else { return false };
    for chunk in bytes.chunks_mut(32) {
        stream.drawn = stream.drawn.saturating_add(1);
        let block = Sha256::new().chain_update(stream.seed).chain_update(stream.drawn.to_be_bytes()).finalize();
        for (to, from) in chunk.iter_mut().zip(block) {
            *to = from;
        }
    }
    true
}
