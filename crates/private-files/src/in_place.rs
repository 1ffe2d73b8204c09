//! Whether an open file is still the one at its path.

use std::fs::{self, Metadata};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The file that a path referred to when it was opened. Keeps no descriptor open: closing a second
/// descriptor of a database would release SQLite's locks.
#[derive(Clone, Debug)]
pub struct InPlace {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl InPlace {
    /// Records the file at this path.
    ///
    /// # Errors
    /// [`Error`] if there is none.
    pub fn note(path: &Path) -> Result<Self> {
        let (device, inode) = identity(&fs::metadata(path)?);
        Ok(Self { path: path.to_owned(), device, inode })
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that the file is still there. Data written to a file that was moved, removed or
    /// covered by a mount is lost at the next start.
    ///
    /// # Errors
    /// [`Error`] that names the path, if nothing or another file is there.
    pub fn check(&self) -> Result<()> {
        let problem = |kind, problem: &str| Error::new(kind, format!("{}: {problem}", self.path.display()));
        match fs::metadata(&self.path) {
            Ok(found) if identity(&found) == (self.device, self.inode) => Ok(()),
            Ok(_) => Err(problem(ErrorKind::StaleNetworkFileHandle, "the open file was replaced by another one")),
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
