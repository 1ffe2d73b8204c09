//! Checks, before a start, whether its files could be created or changed. Nothing here changes
//! anything.

use std::fmt::Display;
use std::fs::{self, Metadata};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, StatxFlags, accessat, statx};
use rustix::process::geteuid;

use crate::{BESIDE, beside, is_restricted};

/// Whether this process can create files in an existing folder.
///
/// # Errors
/// [`Error`] that names the folder.
pub fn check_folder(folder: &Path) -> Result<()> {
    let folder = match folder {
        empty if empty.as_os_str().is_empty() => Path::new("."),
        folder => folder,
    };
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => access(folder, Access::WRITE_OK | Access::EXEC_OK, "written"),
        Ok(_) => Err(problem(ErrorKind::NotADirectory, folder, "is not a folder")),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(Error::new(ErrorKind::NotFound, format!("there is no folder {}", folder.display())))
        }
        Err(error) => Err(problem(error.kind(), folder, &error)),
    }
}

/// The same for a folder that will be created, with its parents, if it is missing.
///
/// # Errors
/// [`Error`] that names the nearest existing folder.
pub fn check_folder_to_make(folder: &Path) -> Result<()> {
    let is_missing = |error: Error| error.kind() == ErrorKind::NotFound;
    let is_there = |folder: &&Path| !fs::symlink_metadata(folder).is_err_and(is_missing);
    check_folder(folder.ancestors().find(is_there).unwrap_or(folder))
}

/// Whether this process can read a file and restrict it to its owner; `false` if it does not exist.
///
/// # Errors
/// [`Error`] that names the file.
pub fn check_file(path: &Path) -> Result<bool> {
    let Some(found) = file(path)? else { return Ok(false) };
    access(path, Access::READ_OK, "read")?;
    check_mode(path, &found)?;
    Ok(true)
}

/// Whether something is mounted at an existing path itself: a file there cannot be replaced by a
/// rename. `false` before Linux 5.8, which doesn't tell.
///
/// # Errors
/// [`Error`] that names the path.
pub fn is_mount_point(path: &Path) -> Result<bool> {
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return Ok(true),
    };
    // As a rename does, which follows links to the folder alone.
    let mount = |path: &Path, links: AtFlags| -> Result<Option<u64>> {
        let found = statx(CWD, path, links, StatxFlags::MNT_ID)
            .map_err(|error| problem(error.kind(), path, Error::from(error)))?;
        let is_told = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::MNT_ID);
        Ok(is_told.then_some(found.stx_mnt_id))
    };
    Ok(mount(path, AtFlags::SYMLINK_NOFOLLOW)? != mount(folder, AtFlags::empty())?)
}

/// The state of a SQLite database, determined without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// There is no file.
    Missing,
    /// No process has it open: everything is in its file.
    Closed,
    /// A process has it open, or ended without closing it: there is a write-ahead log.
    InUse,
}

/// Whether [`crate::prepare_database`] would succeed, and SQLite could then write.
///
/// # Errors
/// [`Error`] that names the file or its folder.
pub fn check_database(path: &Path) -> Result<Database> {
    // SQLite creates its log there.
    check_folder(path.parent().unwrap_or(path))?;
    let mut state = Database::Closed;
    for suffix in BESIDE {
        let name = beside(path, suffix);
        if let Some(found) = file(&name)? {
            check_writable(&name, &found)?;
            state = Database::InUse;
        }
    }
    let Some(found) = file(path)? else { return Ok(Database::Missing) };
    check_writable(path, &found)?;
    // SQLite's log lies beside the file that a link names.
    if is_mount_point(&fs::canonicalize(path)?)? {
        let why = "is mounted without its folder, where SQLite keeps what it wrote last: mount the folder";
        return Err(problem(ErrorKind::InvalidInput, path, why));
    }
    Ok(state)
}

fn check_writable(path: &Path, found: &Metadata) -> Result<()> {
    access(path, Access::READ_OK | Access::WRITE_OK, "written")?;
    check_mode(path, found)
}

/// Only its owner can change a file's mode.
fn check_mode(path: &Path, found: &Metadata) -> Result<()> {
    let us = geteuid();
    if is_restricted(found.permissions().mode()) || us.is_root() || us.as_raw() == found.uid() {
        return Ok(());
    }
    let owner = format!("is open to others and belongs to user {}: only its owner can restrict it", found.uid());
    Err(problem(ErrorKind::PermissionDenied, path, owner))
}

fn file(path: &Path) -> Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(Some(found)),
        Ok(_) => Err(problem(ErrorKind::InvalidInput, path, "is not a file")),
        Err(error) if error.kind() == ErrorKind::NotFound => match fs::read_link(path) {
            Ok(_) => Err(problem(ErrorKind::NotFound, path, "a symbolic link to a file that does not exist")),
            Err(_) => Ok(None),
        },
        Err(error) => Err(problem(error.kind(), path, &error)),
    }
}

fn access(path: &Path, access: Access, what: &str) -> Result<()> {
    accessat(CWD, path, access, AtFlags::EACCESS).map_err(|error| {
        let error = Error::from(error);
        problem(error.kind(), path, format!("cannot be {what}: {error}"))
    })
}

fn problem(kind: ErrorKind, path: &Path, problem: impl Display) -> Error {
    Error::new(kind, format!("{}: {problem}", path.display()))
}
