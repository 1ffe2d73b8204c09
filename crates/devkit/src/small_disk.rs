//! A temporarily full disk: runs an ignored test of the current test program again in a child
//! process whose temporary folder has little room.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Tells the child the kind of its disk.
const KIND: &str = "DEVKIT_SMALL_DISK";
const MOUNTED: &str = "mounted";
const LIMITED: &str = "limited";
/// The shell could not mount; the test was not run.
const NOT_MOUNTED: i32 = 97;
const FILLER: &str = "filler";

/// A small tmpfs in its own mount namespace.
const MOUNT: &str = "mount -t tmpfs -o size=4m tmpfs \"$TMPDIR\" || exit 97; exec \"$0\" \"$@\"";
/// Where mounting is not allowed: limits file sizes to 512 KiB. Without the trap the first write
/// over the limit would kill the process; with SIGXFSZ ignored, it fails.
const LIMIT: &str = "trap '' XFSZ; ulimit -S -f 1024; exec \"$0\" \"$@\"";

/// Runs an ignored test with little room in its temporary folder, which is placed in `folder`.
///
/// # Errors
/// The child's output, if the test did not run or did not pass.
pub fn run_on_small_disk(test: &str, folder: &Path) -> io::Result<()> {
    let namespaces: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    for namespace in namespaces {
        let mut command = Command::new("unshare");
        command.args(namespace).args(["sh", "-c", MOUNT]);
        match run(command, MOUNTED, test, folder) {
            Ok(output) if was_run(&output) => return passed(&output),
            Ok(_) | Err(_) => {}
        }
    }
    let mut command = Command::new("sh");
    command.args(["-c", LIMIT]);
    passed(&run(command, LIMITED, test, folder)?)
}

fn run(mut command: Command, kind: &str, test: &str, folder: &Path) -> io::Result<Output> {
    let program = std::env::current_exe()?;
    command.arg(program).args(["--exact", test, "--ignored"]).env(KIND, kind).env("TMPDIR", folder).output()
}

/// `unshare` itself fails with 1, and prints no report of tests.
fn was_run(output: &Output) -> bool {
    output.status.code() != Some(NOT_MOUNTED) && String::from_utf8_lossy(&output.stdout).contains("running 1 test")
}

fn passed(output: &Output) -> io::Result<()> {
    let report = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
    match output.status.success() && report.contains("1 passed") {
        true => Ok(()),
        false => Err(io::Error::other(report)),
    }
}

/// The disk of a test that [`run_on_small_disk`] runs.
pub struct SmallDisk {
    filler: Option<PathBuf>,
}

impl SmallDisk {
    /// The disk below this process's temporary folder.
    ///
    /// # Errors
    /// If the process was not started by [`run_on_small_disk`].
    pub fn of_this_process() -> io::Result<Self> {
        match std::env::var(KIND).as_deref() {
            Ok(MOUNTED) => Ok(Self { filler: Some(std::env::temp_dir().join(FILLER)) }),
            Ok(LIMITED) => Ok(Self { filler: None }),
            _ => Err(io::Error::other("started by hand: it needs a small disk")),
        }
    }

    /// Uses up all room. A file with limited size is full after a few more writes.
    ///
    /// # Errors
    /// If it ends with an error other than a full disk.
    pub fn fill(&self) -> io::Result<()> {
        let Some(filler) = &self.filler else { return Ok(()) };
        let mut file = File::create(filler)?;
        loop {
            match file.write(&[0; 4096]) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Frees the room.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn make_room(&self) -> io::Result<()> {
        match &self.filler {
            Some(filler) => fs::remove_file(filler),
            None => {
                let Rlimit { maximum, .. } = getrlimit(Resource::Fsize);
                Ok(setrlimit(Resource::Fsize, Rlimit { current: maximum, maximum })?)
            }
        }
    }
}
