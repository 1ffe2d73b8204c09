//! The socket's file: mode 0600 from the first moment, and it replaces a socket that another
//! process left behind.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::{Path, PathBuf};

use private_files::TemporaryFolder;
use tokio::net::UnixListener;

use crate::error::Error;

const OWNER_ONLY: u32 = 0o600;
/// The name of a socket that is not in its final place yet.
const DRAFT: &str = "s";

/// The state of the socket's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing, or a socket that no process serves any more.
    Free,
    /// A socket that another process serves.
    Served,
}

/// Checks whether a socket can be created at that path. Changes nothing.
pub fn look_at(path: &Path) -> Result<Place, Error> {
    let failed = |problem: String| failed(path, &problem);
    for path in [path, &draft(folder(path))] {
        SocketAddr::from_pathname(path).map_err(|_| failed("the path is too long for a socket".into()))?;
    }
    private_files::check_folder(folder(path)).map_err(|error| failed(error.to_string()))?;
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Place::Free),
        Err(error) => return Err(failed(error.to_string())),
        Ok(found) if !found.file_type().is_socket() => return Err(failed("a file exists that is not a socket".into())),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        // A process that cannot accept a connection now is serving too.
        Ok(_) => Ok(Place::Served),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Place::Served),
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => Ok(Place::Free),
        Err(error) => Err(failed(format!("cannot determine whether another process serves it: {error}"))),
    }
}

/// Checks that no process serves it.
pub fn check_free(path: &Path) -> Result<(), Error> {
    match look_at(path)? {
        Place::Served => Err(failed(path, "another process serves it")),
        Place::Free => Ok(()),
    }
}

/// Listens at that path.
pub fn bind(path: &Path) -> Result<UnixListener, Error> {
    check_free(path)?;
    listen(path).map_err(|error| failed(path, &error.to_string()))
}

/// A new socket has the mode that the umask leaves it, so it is created where no other user can
/// access it, and then moved.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let private = TemporaryFolder::make_in(folder(path))?;
    let draft = private.path().join(DRAFT);
    let listener = UnixListener::bind(&draft)?;
    fs::set_permissions(&draft, Permissions::from_mode(OWNER_ONLY))?;
    fs::rename(&draft, path)?;
    Ok(listener)
}

/// A path as long as the one a socket is created at.
fn draft(folder: &Path) -> PathBuf {
    folder.join("x".repeat(TemporaryFolder::NAME_LENGTH)).join(DRAFT)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn failed(path: &Path, problem: &str) -> Error {
    Error::Start(format!("relay.admin_socket: {}: {problem}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_its_owner_can_open_it_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let _listener = bind(&path).unwrap();
        let found = fs::symlink_metadata(&path).unwrap();
        assert!(found.file_type().is_socket());
        assert_eq!(found.permissions().mode() & 0o777, OWNER_ONLY);
        assert!(UnixStream::connect(&path).is_ok());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_socket_left_behind_is_replaced_and_one_that_is_served_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        drop(bind(&path).unwrap());
        let _listener = bind(&path).unwrap();
        assert_eq!(look_at(&path).unwrap(), Place::Served);
        assert!(bind(&path).unwrap_err().to_string().contains("another process"));
    }

    #[tokio::test]
    async fn a_file_at_its_path_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        fs::write(&path, "precious").unwrap();
        assert!(bind(&path).unwrap_err().to_string().contains("not a socket"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
