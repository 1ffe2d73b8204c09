//! The sealed files as the normal world sees them: it may remove and restore them.

use std::fs;
use std::path::PathBuf;

/// Where `scripts/optee/init` configures the supplicant to keep them.
const FOLDER: &str = "/data/tee";

/// All files, by path.
#[derive(Default)]
pub struct Files(Vec<(PathBuf, Vec<u8>)>);

/// The current files.
pub fn keep() -> Files {
    Files(paths().map(|path| (path.clone(), fs::read(path).unwrap())).collect())
}

/// Replaces all files by these. OP-TEE opens none of them while no object is open.
pub fn put_back(Files(files): &Files) {
    paths().for_each(|path| fs::remove_file(path).unwrap());
    for (path, bytes) in files {
        fs::write(path, bytes).unwrap();
    }
}

fn paths() -> impl Iterator<Item = PathBuf> {
    fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path())
}
