//! Commands that the shipped trusted application does not have: one that panics, commands that plan
//! the behaviour of its ports, and commands that report internal figures.

mod floor;
mod room;

use core::hint::black_box;

use optee_utee::{ErrorKind, Result};
use sha2::{Digest, Sha256};

use crate::instance;
use crate::invocation::Invocation;
use crate::test_ports::{faults, foretold};

const PANIC: u32 = 1;
/// The frame is a seed of 32 bytes. The core is reopened, and until the instance ends randomness
/// follows from the seed, as in `ta::memory::SeededEntropy`.
const SEED: u32 = 2;
/// The frame plans a fault: eight bytes with the number of writes before it, and one byte with its
/// kind.
const FAIL: u32 = 3;
/// Reads the frame twice, which no other command does; the reply is one byte, 1 if the second read
/// differed.
const READ_TWICE: u32 = 4;
/// The frame names an operation and a repeat count; see [`floor::run`].
const FLOOR: u32 = 5;
/// The reply is the number of free bytes of memory, in eight bytes (big endian).
const ROOM: u32 = 6;

/// `None` for a command that is not a test's.
#[expect(clippy::panic, reason = "its purpose is to panic")]
pub(crate) fn invoke(command: u32, invocation: &mut Invocation<'_>) -> Option<Result<()>> {
    match command {
        PANIC => panic!("a test asked for it"),
        SEED => Some(seed(invocation)),
        FAIL => Some(fail(invocation)),
        READ_TWICE => Some(read_twice(invocation)),
        FLOOR => Some(floor(invocation)),
        ROOM => Some(invocation.answer(&room::largest().to_be_bytes())),
        _ => None,
    }
}

fn seed(invocation: &mut Invocation<'_>) -> Result<()> {
    let seed = invocation.copy_frame().ok().and_then(|frame| frame.try_into().ok()).ok_or(ErrorKind::BadParameters)?;
    instance::forget()?;
    faults::forget();
    foretold::follow(seed).ok_or(ErrorKind::Busy)?;
    invocation.answer(&[])
}

fn fail(invocation: &mut Invocation<'_>) -> Result<()> {
    invocation.copy_frame().ok().and_then(|frame| faults::plan(&frame)).ok_or(ErrorKind::BadParameters)?;
    invocation.answer(&[])
}

fn read_twice(invocation: &mut Invocation<'_>) -> Result<()> {
    let first = invocation.copy_frame().map_err(|_| ErrorKind::BadParameters)?;
    // About as long as checking a signature takes.
    for _ in 0..100 {
        black_box(Sha256::digest(&first));
    }
    let second = invocation.copy_frame().map_err(|_| ErrorKind::BadParameters)?;
    invocation.answer(&[u8::from(first != second)])
}

fn floor(invocation: &mut Invocation<'_>) -> Result<()> {
    invocation.copy_frame().ok().and_then(|frame| floor::run(&frame)).ok_or(ErrorKind::BadParameters)?;
    invocation.answer(&[])
}
