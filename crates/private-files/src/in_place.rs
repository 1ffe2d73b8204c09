//! Whether a file that is open is still the one that its path leads to.

use std::fs::{self, Metadata};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The file that a path led to when it was opened. Holds nothing open: to close a second descriptor
/// of a database would let go of SQLite's locks.
#[derive(Clone, Debug)]
pub struct InPlace {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl InPlace {
    /// Notes which file it is.
    ///
    /// # Errors
    /// [`Error`] when there is none.
    pub fn note(path: &Path) -> Result<Self> {
        let (device, inode) = identity(&fs::metadata(path)?);
        Ok(Self { path: path.to_owned(), device, inode })
    }

    /// Looks whether it is still there. What is written to a file that was moved, removed or
    /// covered by a mount is gone at the next start.
    ///
    /// # Errors
    /// [`Error`] that names the path: nothing is there, or another file.
    pub fn check(&self) -> Result<()> {
        let problem = |kind, problem: &str| Error::new(kind, format!("{}: {problem}", self.path.display()));
        match fs::metadata(&self.path) {
            Ok(found) if identity(&found) == (self.device, self.inode) => Ok(()),
            Ok(_) => Err(problem(ErrorKind::StaleNetworkFileHandle, "another file is in the place of the open one")),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(problem(ErrorKind::NotFound, "the open file was moved or removed"))
            }
            Err(error) => Err(problem(error.kind(), &error.to_string())),
        }
    }
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}
