//! The sealed files of the machine as the normal world has them: it may take them away and put them
//! back.

use std::fs;
use std::path::PathBuf;

/// Where `scripts/optee/init` has the supplicant keep them.
const FOLDER: &str = "/data/tee";

/// All files, by path.
#[derive(Default)]
pub struct Files(Vec<(PathBuf, Vec<u8>)>);

/// As they are now.
pub fn keep() -> Files {
    Files(paths().map(|path| (path.clone(), fs::read(path).unwrap())).collect())
}

/// These and no others. OP-TEE opens none of them while no object is open.
pub fn put_back(Files(files): &Files) {
    paths().for_each(|path| fs::remove_file(path).unwrap());
    for (path, bytes) in files {
        fs::write(path, bytes).unwrap();
    }
}

fn paths() -> impl Iterator<Item = PathBuf> {
    fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path())
}
