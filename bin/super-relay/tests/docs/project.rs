//! The checkout: its location and files.

use std::ffi::OsString;
use std::iter;
use std::path::{Path, PathBuf};

/// Created by builds and by npm; not documented.
const MADE: [&str; 6] = ["target", "node_modules", "cache", "out", "dist", "build"];

/// The root of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The `PATH` of a reader who has installed the program.
pub fn path_with_super_relay() -> OsString {
    let folder = Path::new(env!("CARGO_BIN_EXE_super-relay")).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(iter::once(folder).chain(std::env::split_paths(&path))).unwrap()
}

/// A file of the project.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|problem| panic!("{path}: {problem}"))
}

/// Every file and folder, from the root on.
pub fn paths() -> Vec<PathBuf> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            if MADE.iter().any(|made| name == *made) || name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
            found.push(entry.path().strip_prefix(&root).unwrap().to_owned());
        }
    }
    found
}
