//! The sealed files of the machine as the normal world has them: it may take them away and put them back.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

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
    paths().for_each(remove);
    for (path, bytes) in files {
        fs::write(path, bytes).unwrap();
    }
}

/// Takes a file away, even if `scripts/optee/init` holds it in place by mounting something there.
fn remove(path: PathBuf) {
    if fs::remove_file(&path).is_err() {
        Command::new("umount").arg(&path).status().unwrap();
        fs::remove_file(path).unwrap();
    }
}

fn paths() -> impl Iterator<Item = PathBuf> {
    fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path())
}
