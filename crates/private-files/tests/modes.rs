//! Modes of new and existing files.
#![expect(clippy::unwrap_used, reason = "what a test stands on either works or fails the test")]

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use private_files::{
    Database, InPlace, TemporaryFolder, check_database, check_file, check_folder, check_folder_to_make, create_new,
    is_mount_point, lock, prepare_database, restrict,
};

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
fn a_file_that_was_moved_or_replaced_is_not_in_place_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let (path, away) = (folder.path().join("relay.sqlite"), folder.path().join("away"));
    fs::write(&path, "rows").unwrap();
    let file = InPlace::note(&path).unwrap();
    file.check().unwrap();
    fs::rename(&path, &away).unwrap();
    assert!(file.check().unwrap_err().to_string().ends_with("relay.sqlite: the open file was moved or removed"));
    fs::copy(&away, &path).unwrap();
    assert!(file.check().unwrap_err().to_string().ends_with("the open file was replaced by another one"));
    fs::rename(&away, &path).unwrap();
    file.check().unwrap();
    assert_eq!(InPlace::note(&away).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_locked_file_is_refused_to_others_until_it_is_released() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let held = lock(&path).unwrap().unwrap();
    assert_eq!(mode(&path), 0o600);
    assert!(lock(&path).unwrap().is_none());
    drop(held);
    assert!(lock(&path).unwrap().is_some());
}

#[test]
fn a_database_is_prepared_with_its_side_files() {
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

#[test]
fn checking_a_database_tells_its_state_and_creates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.sqlite");
    assert_eq!(check_database(&path).unwrap(), Database::Missing);
    assert!(!path.exists());
    open_to_all(&path);
    assert_eq!((check_database(&path).unwrap(), mode(&path)), (Database::Closed, 0o666));
    fs::write(folder.path().join("relay.sqlite-wal"), "log").unwrap();
    assert_eq!(check_database(&path).unwrap(), Database::InUse);
    fs::create_dir(folder.path().join("relay.sqlite-shm")).unwrap();
    assert!(check_database(&path).unwrap_err().to_string().ends_with("relay.sqlite-shm: is not a file"));
    assert!(prepare_database(&path).is_err());
}

#[test]
fn errors_name_a_missing_folder_and_a_file_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (file, missing) = (folder.path().join("file"), folder.path().join("missing"));
    assert!(!check_file(&file).unwrap());
    open_to_all(&file);
    assert!(check_file(&file).unwrap());
    check_folder(folder.path()).unwrap();
    assert_eq!(check_folder(&file).unwrap_err().kind(), ErrorKind::NotADirectory);
    assert_eq!(check_folder(&missing).unwrap_err().to_string(), format!("there is no folder {}", missing.display()));
    check_folder_to_make(&missing.join("deeper")).unwrap();
    let refused = check_folder_to_make(&file.join("deeper")).unwrap_err().to_string();
    assert!(refused.contains(file.to_str().unwrap()), "{refused}");
}

#[test]
fn a_temporary_folder_is_private_and_removed_with_its_contents() {
    let folder = tempfile::tempdir().unwrap();
    let temporary = TemporaryFolder::make_in(folder.path()).unwrap();
    let path = temporary.path().to_owned();
    assert_eq!((mode(&path), path.file_name().unwrap().len()), (0o700, TemporaryFolder::NAME_LENGTH));
    fs::write(path.join("file"), "").unwrap();
    drop(temporary);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(TemporaryFolder::make_in(&path).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_mount_point_is_told_from_a_file_in_a_mounted_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    drop(create_new(&path).unwrap());
    assert!(!is_mount_point(&path).unwrap());
    assert!(is_mount_point(Path::new("/proc")).unwrap());
    // A link to a folder on another mount, with a file that can be replaced there.
    let link = folder.path().join("link");
    symlink("/proc/self", &link).unwrap();
    assert!(!is_mount_point(&link.join("status")).unwrap());
    assert_eq!(is_mount_point(&folder.path().join("none")).unwrap_err().kind(), ErrorKind::NotFound);
}
