//! Atomic file replacement: a crash at any moment leaves either the old or the new file, complete.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes `bytes` to `name` in `folder`, readable only by its owner. Durable when it returns; the
/// old file remains until then.
pub(super) fn replace(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = folder.join(format!("{name}.tmp"));
    let written = write_through(&temporary, bytes).and_then(|()| fs::rename(&temporary, folder.join(name)));
    if written.is_err() {
        // Half a file would only fill the disk further. It may be missing; the error to report is
        // the first one.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    // The new name is only durable after the folder is synced.
    File::open(folder)?.sync_all()
}

fn write_through(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
