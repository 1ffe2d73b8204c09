//! A folder for a while.

use std::fs::{self, DirBuilder};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const OWNER_ONLY: u32 = 0o700;
const TRIES: usize = 100;

/// A folder that only its owner can open; removed with what is in it when dropped.
#[derive(Debug)]
pub struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// Bytes of its name: a dot and four hexadecimal digits.
    pub const NAME_LENGTH: usize = 5;

    /// Makes one in another folder.
    ///
    /// # Errors
    /// [`Error`] when there is no randomness, the other folder is missing, or nothing can be made
    /// there.
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

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // Nobody can be told; what stays is private.
        let _ = fs::remove_dir_all(&self.0);
    }
}
