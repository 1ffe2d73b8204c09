//! Files that only their owner can open, whatever the umask: made with mode 0600, never changed to
//! it after.

mod in_place;
mod lock;
mod look;
mod temporary;

pub use in_place::InPlace;
pub use lock::lock;
pub use look::{Database, check_database, check_file, check_folder, check_folder_to_make};
pub use temporary::TemporaryFolder;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const OWNER_ONLY: u32 = 0o600;
/// What SQLite makes beside a database, with the mode of the database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Makes a file that is not there yet.
///
/// # Errors
/// [`io::Error`], [`io::ErrorKind::AlreadyExists`] among them.
pub fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path)
}

/// Takes a file that is there from everybody but its owner.
///
/// # Errors
/// [`io::Error`], [`io::ErrorKind::NotFound`] among them.
pub fn restrict(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    if is_restricted(mode) {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(OWNER_ONLY))
}

/// Makes the file of a SQLite database, or restricts the one that is there and what SQLite made
/// beside it. To be called before the database is opened.
///
/// # Errors
/// Those of [`check_database`], and [`io::Error`] of the first file.
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
