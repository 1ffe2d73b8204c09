//! The socket's file: mode 0600 from the first moment, in the place of one that a process left behind.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use tokio::net::UnixListener;

use crate::error::Error;

const OWNER_ONLY: u32 = 0o600;

/// Listens at that path.
pub fn bind(path: &Path) -> Result<UnixListener, Error> {
    let failed = |problem: String| Error::Start(format!("relay.admin_socket: {}: {problem}", path.display()));
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(failed("there is a file that is no socket".into())),
        Ok(_) if UnixStream::connect(path).is_ok() => return Err(failed("another process serves it".into())),
        _ => {}
    }
    listen(path).map_err(|error| failed(error.to_string()))
}

/// A new socket has the mode that the umask leaves it: it is made where nobody else can look, and moved.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let only_ours = Permissions::from_mode(0o700);
    let private = tempfile::Builder::new().prefix(".").rand_bytes(4).permissions(only_ours).tempdir_in(folder)?;
    let draft = private.path().join("s");
    let listener = UnixListener::bind(&draft)?;
    fs::set_permissions(&draft, Permissions::from_mode(OWNER_ONLY))?;
    fs::rename(&draft, path)?;
    Ok(listener)
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
        assert!(bind(&path).unwrap_err().to_string().contains("another process"));
    }

    #[tokio::test]
    async fn a_file_in_its_place_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        fs::write(&path, "precious").unwrap();
        assert!(bind(&path).unwrap_err().to_string().contains("no socket"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
