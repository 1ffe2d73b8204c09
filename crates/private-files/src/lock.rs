//! A lock that the process holds as long as it lives.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::OWNER_ONLY;

/// A process that ends, or a child that has not begun, may hold the lock for a moment yet.
const PATIENCE: Duration = Duration::from_secs(1);

/// Locks a file, which is made where there is none, until what is returned is dropped or the
/// process ends. `None` when another has it locked, also after a second.
///
/// # Errors
/// [`io::Error`].
pub fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(OWNER_ONLY).open(path)?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => thread::sleep(PATIENCE / 20),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}
