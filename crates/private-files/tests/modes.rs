//! The modes of files, new and old.
#![expect(clippy::unwrap_used, reason = "what a test stands on either works or fails the test")]

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use private_files::{create_new, prepare_database, restrict};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn open_to_all(path: &Path) {
    fs::write(path, "old").unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o666)).unwrap();
}

#[test]
fn a_new_file_is_its_owners_and_an_old_one_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    drop(create_new(&path).unwrap());
    assert_eq!(mode(&path), 0o600);
    assert_eq!(create_new(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
}

#[test]
fn a_file_is_restricted_and_a_stricter_one_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    open_to_all(&path);
    restrict(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    restrict(&path).unwrap();
    assert_eq!(mode(&path), 0o400);
    assert_eq!(restrict(&folder.path().join("none")).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_database_is_prepared_with_all_that_is_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.sqlite");
    prepare_database(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    let files = ["relay.sqlite", "relay.sqlite-wal", "relay.sqlite-shm"].map(|name| folder.path().join(name));
    files.iter().for_each(|file| open_to_all(file));
    prepare_database(&path).unwrap();
    for file in files {
        assert_eq!((mode(&file), fs::read_to_string(&file).unwrap().as_str()), (0o600, "old"), "{file:?}");
    }
}
