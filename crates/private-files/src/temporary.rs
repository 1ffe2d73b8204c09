//! A temporary folder.

use std::fs::{self, DirBuilder};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const OWNER_ONLY: u32 = 0o700;
const TRIES: usize = 100;

/// A folder that only its owner can open; removed with its contents when dropped.
#[derive(Debug)]
pub struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// Length of its name: a dot and four hexadecimal digits.
    pub const NAME_LENGTH: usize = 5;

    /// Creates one in another folder.
    ///
    /// # Errors
    /// [`Error`] if randomness is unavailable, the other folder is missing, or nothing can be
    /// created there.
    pub fn make_in(folder: &Path) -> Result<Self> {
        for _ in 0..TRIES {
            let mut random = [0; 2];
            getrandom::fill(&mut random)?;
            let path = folder.join(format!(".{:04x}", u16::from_le_bytes(random)));
            match DirBuilder::new().mode(OWNER_ONLY).create(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(Self(path)),
            }
        }
        Err(Error::new(ErrorKind::AlreadyExists, format!("no free name in {}", folder.display())))
    }

    /// The path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // There is nobody to report an error to; a leftover folder stays private.
        let _ = fs::remove_dir_all(&self.0);
    }
}
