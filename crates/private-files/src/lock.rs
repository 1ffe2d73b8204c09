//! A file lock held for the lifetime of the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::OWNER_ONLY;

/// A process that is ending, or a child that has not started yet, may still hold the lock briefly.
const PATIENCE: Duration = Duration::from_secs(1);

/// Locks a file, creating it if necessary, until the returned value is dropped or the process ends.
/// `None` if another process still holds the lock after a second.
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
