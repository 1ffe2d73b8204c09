//! The simulator's sealed file: killed, truncated, changed or removed.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use kms_gateway::transport::simulator::{SealedFile, SealedFileError};
use tempfile::TempDir;

const FOLDER: &str = "SEALED_FILE_TEST_FOLDER";
const RECORDS: usize = 8;

fn written() -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut file = SealedFile::open(folder.path()).unwrap();
    file.write(b"name", b"value").unwrap();
    assert_eq!(file.advance_counter().unwrap(), 1);
    folder
}

fn open_error(folder: &TempDir) -> SealedFileError {
    SealedFile::open(folder.path()).err().unwrap()
}

#[test]
fn writes_are_there_when_opened_again() {
    let folder = written();
    let mut file = SealedFile::open(folder.path()).unwrap();
    assert_eq!(file.read(b"name").unwrap().as_slice(), b"value");
    assert_eq!(file.counter(), 1);
    file.write(b"name", b"").unwrap();
    drop(file);
    assert!(SealedFile::open(folder.path()).unwrap().read(b"name").unwrap().is_empty());
}

#[test]
fn no_record_and_no_key_can_be_read_from_the_state_without_the_key_file() {
    let folder = written();
    let state = fs::read(folder.path().join("simulator.state")).unwrap();
    assert!(!state.windows(5).any(|window| window == b"value"));
    let mode = fs::metadata(folder.path().join("simulator.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_change_of_any_byte_is_refused() {
    let folder = written();
    let path = folder.path().join("simulator.state");
    let state = fs::read(&path).unwrap();
    for index in 0..state.len() {
        let mut changed = state.clone();
        changed[index] ^= 1;
        fs::write(&path, changed).unwrap();
        assert!(matches!(open_error(&folder), SealedFileError::StateDamaged), "byte {index}");
    }
}

#[test]
fn a_truncated_state_is_refused_and_never_treated_as_empty() {
    let folder = written();
    let path = folder.path().join("simulator.state");
    let state = fs::read(&path).unwrap();
    for length in 0..state.len() {
        fs::write(&path, &state[..length]).unwrap();
        assert!(matches!(open_error(&folder), SealedFileError::StateDamaged), "{length} bytes");
    }
}

#[test]
fn a_removed_state_is_refused_and_never_recreated() {
    let folder = written();
    fs::remove_file(folder.path().join("simulator.state")).unwrap();
    assert!(matches!(open_error(&folder), SealedFileError::StateMissing));
}

#[test]
fn a_state_without_its_key_is_refused_and_left_alone() {
    let folder = written();
    let key = fs::read(folder.path().join("simulator.key")).unwrap();
    fs::remove_file(folder.path().join("simulator.key")).unwrap();
    assert!(matches!(open_error(&folder), SealedFileError::KeyMissing));
    fs::write(folder.path().join("simulator.key"), &key).unwrap();
    assert!(matches!(open_error(&folder), SealedFileError::KeyReadableByOthers));
    fs::set_permissions(folder.path().join("simulator.key"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(SealedFile::open(folder.path()).unwrap().counter(), 1);
}

#[test]
fn another_key_opens_nothing() {
    let (folder, other) = (written(), written());
    fs::copy(other.path().join("simulator.key"), folder.path().join("simulator.key")).unwrap();
    assert!(matches!(open_error(&folder), SealedFileError::StateDamaged));
}

#[test]
fn killed_at_any_moment_every_acknowledged_write_is_intact_and_the_counter_never_decreases() {
    let folder = TempDir::new().unwrap();
    let mut known = Acknowledged::default();
    for round in 0..60 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "simulator::writes_until_killed", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        if round % 2 == 0 {
            // Some rounds end while the file is opened, some in the first write.
            std::thread::sleep(Duration::from_micros(1500 + round * 500));
            child.kill().unwrap();
        }
        let enough = known.lines + round;
        for line in lines {
            known.read(&line.unwrap());
            if known.lines == enough {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        known.check(&SealedFile::open(folder.path()).unwrap());
    }
    assert!(known.lines > 500, "only {} writes were acknowledged", known.lines);
}

/// What the child reported as durable: step `n` increments the counter to `n`, then writes `n` into
/// record `n % RECORDS`.
#[derive(Default)]
struct Acknowledged {
    counter: u64,
    records: [u64; RECORDS],
    lines: u64,
}

impl Acknowledged {
    fn read(&mut self, line: &str) {
        // The kill may truncate the line; one that ends with a full stop is complete.
        let Some((what, number)) = line.strip_suffix('.').and_then(|line| line.split_once(' ')) else {
            return;
        };
        let step: u64 = number.parse().unwrap();
        match what {
            "counter" => self.counter = step,
            "record" => self.records[index(step)] = step,
            other => panic!("{other}"),
        }
        self.lines += 1;
    }

    /// Compares the file with the known state, and learns of the one write that may have been made
    /// but not acknowledged because of the kill.
    fn check(&mut self, file: &SealedFile) {
        let counter = file.counter();
        assert!((self.counter..=self.counter + 1).contains(&counter), "{} known, {counter} found", self.counter);
        self.counter = counter;
        for (index, known) in self.records.iter_mut().enumerate() {
            let found = file.read(&name(index)).map_or(0, |record| {
                let step = u64::from_be_bytes(record[..8].try_into().unwrap());
                assert_eq!(*record, value(step), "half a record");
                step
            });
            assert!(found == *known || found == counter, "record {index}: {known} known, {found} found");
            *known = found;
        }
    }
}

fn index(step: u64) -> usize {
    usize::try_from(step).unwrap() % RECORDS
}

fn name(index: usize) -> Vec<u8> {
    format!("record {index}").into_bytes()
}

fn value(step: u64) -> Vec<u8> {
    step.to_be_bytes().repeat(64)
}

#[test]
#[ignore = "the child of killed_at_any_moment: it writes until it is killed"]
fn writes_until_killed() {
    let folder = std::env::var(FOLDER).unwrap();
    let mut file = SealedFile::open(Path::new(&folder)).unwrap();
    loop {
        let step = file.advance_counter().unwrap();
        say(&format!("counter {step}"));
        file.write(&name(index(step)), &value(step)).unwrap();
        say(&format!("record {step}"));
    }
}

/// On its own line: the test program may have begun one.
fn say(what: &str) {
    let mut out = std::io::stdout().lock();
    write!(out, "\n{what}.\n").unwrap();
    out.flush().unwrap();
}
