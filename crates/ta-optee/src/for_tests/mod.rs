//! Commands that the shipped trusted application has not: one that panics, those that plan what its
//! ports do, and those that tell figures of what goes on in here.

mod floor;
mod room;

use core::hint::black_box;

use optee_utee::{ErrorKind, Result};
use sha2::{Digest, Sha256};

use crate::instance;
use crate::invocation::Invocation;
use crate::test_ports::{faults, foretold};

const PANIC: u32 = 1;
/// The frame is a seed of 32 bytes: the core is opened anew, and from here on, until the instance
/// ends, randomness follows from the seed as `ta::memory::SeededEntropy` has it.
const SEED: u32 = 2;
/// The frame is a fault to come: eight bytes of how many writes go before it, and one of its kind.
const FAIL: u32 = 3;
/// Reads the frame twice, which nothing else does; the reply is one byte, 1 if it was another one
/// the second time.
const READ_TWICE: u32 = 4;
/// The frame says what to do how often; see [`floor::run`].
const FLOOR: u32 = 5;
/// The reply is how many bytes of memory are left, in eight bytes (big endian).
const ROOM: u32 = 6;

/// `None` for a command that is no test's.
#[expect(clippy::panic, reason = "that is what it is for")]
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
    // About as long as it takes to check a signature.
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
