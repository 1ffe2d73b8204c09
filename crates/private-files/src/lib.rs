//! Files that only their owner can open, regardless of the umask: they are created with mode 0600,
//! not changed to it afterwards.

mod in_place;
mod lock;
mod look;
mod temporary;

pub use in_place::InPlace;
pub use lock::lock;
pub use look::{Database, check_database, check_file, check_folder, check_folder_to_make, is_mount_point};
pub use temporary::TemporaryFolder;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const OWNER_ONLY: u32 = 0o600;
/// Files that SQLite creates beside a database, with the database's mode.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Creates a file that does not exist yet.
///
/// # Errors
/// [`io::Error`], including [`io::ErrorKind::AlreadyExists`].
pub fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path)
}

/// Restricts an existing file to its owner.
///
/// # Errors
/// [`io::Error`], including [`io::ErrorKind::NotFound`].
pub fn restrict(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    if is_restricted(mode) {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(OWNER_ONLY))
}

/// Creates the file of a SQLite database, or restricts the existing one and the files that SQLite
/// created beside it. Call it before the database is opened.
///
/// # Errors
/// Those of [`check_database`], and the [`io::Error`] of the first file that failed.
pub fn prepare_database(path: &Path) -> io::Result<()> {
    check_database(path)?;
    match create_new(path) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    restrict(path)?;
    for suffix in BESIDE {
        match restrict(&beside(path, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn is_restricted(mode: u32) -> bool {
    mode & 0o777 & !OWNER_ONLY == 0
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
