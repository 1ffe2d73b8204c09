//! Damage of a database.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Bytes: SQLite's default.
const PAGE: u32 = 4096;

/// Fills a page of a SQLite file with zeros, as a faulty disk may. The first has the number 1; no
/// process has the file open.
///
/// # Errors
/// [`io::Error`] if the file cannot be written.
pub fn zero_page(file: &Path, number: u32) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open(file)?
        .write_all_at(&[0; PAGE as usize], u64::from(number - 1) * u64::from(PAGE))
}
