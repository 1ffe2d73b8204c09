//! Recorded inputs and outputs of a test's worlds, so that any other platform can be checked for
//! the same bytes.

use std::cell::RefCell;

use proto::frame;
use serde::{Deserialize, Serialize};
use ta::Platform;
use ta::memory::Fault;

/// What tests sent, and what the in-memory core answered.
#[derive(Serialize, Deserialize)]
pub struct Recording(pub Vec<Chapter>);

/// A test.
#[derive(Serialize, Deserialize)]
pub struct Chapter {
    pub name: String,
    /// One for each world. A state that one keeps can be restored by a later one.
    pub tapes: Vec<Tape>,
}

pub type Tape = Vec<Event>;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The storage is empty.
    Empty,
    /// The storage is in the state saved under that number.
    Restore(u32),
    /// Saves the storage under that number.
    Keep(u32),
    /// Power cycle. Entropy follows from the seed.
    Open {
        seed: [u8; 32],
    },
    /// The write after this many more fails.
    Fail {
        after: u64,
        fault: Fault,
    },
    Frame {
        frame: Vec<u8>,
        reply: Vec<u8>,
    },
}

impl Recording {
    pub fn encode(&self) -> Vec<u8> {
        frame::encode_record(self).unwrap()
    }

    pub fn decode(bytes: &[u8]) -> Self {
        frame::decode_record(bytes).unwrap()
    }
}

struct Recorder {
    platform: Platform,
    tapes: Vec<Tape>,
}

thread_local! {
    /// The recorder of the test that runs on this thread, if it is recorded.
    static RECORDER: RefCell<Option<Recorder>> = const { RefCell::new(None) };
}

/// Records the tapes of all worlds created by `run`, each on a platform with these properties.
pub fn record(platform: Platform, run: impl FnOnce()) -> Vec<Tape> {
    RECORDER.set(Some(Recorder { platform, tapes: Vec::new() }));
    run();
    RECORDER.take().unwrap().tapes
}

pub fn is_recording() -> bool {
    RECORDER.with_borrow(Option::is_some)
}

/// The platform's properties while it is recorded.
pub fn platform() -> Option<Platform> {
    RECORDER.with_borrow(|recorder| recorder.as_ref().map(|recorder| recorder.platform.clone()))
}

/// Where a world is recorded, if anywhere.
#[derive(Clone, Copy)]
pub struct Track(Option<usize>);

impl Track {
    /// A track for a new world.
    pub fn new() -> Self {
        Self::beginning_with(Event::Empty)
    }

    /// A track for another world that starts with this one's current storage.
    pub fn branch(self) -> Self {
        let number = RECORDER.with_borrow(|recorder| recorder.as_ref().map_or(0, |recorder| recorder.tapes.len()));
        let number = u32::try_from(number).unwrap();
        self.note(|| Event::Keep(number));
        Self::beginning_with(Event::Restore(number))
    }

    pub fn note(self, event: impl FnOnce() -> Event) {
        RECORDER.with_borrow_mut(|recorder| {
            if let (Some(recorder), Some(number)) = (recorder, self.0) {
                recorder.tapes[number].push(event());
            }
        });
    }

    fn beginning_with(event: Event) -> Self {
        RECORDER.with_borrow_mut(|recorder| {
            let Some(recorder) = recorder else { return Self(None) };
            recorder.tapes.push(vec![event]);
            Self(Some(recorder.tapes.len() - 1))
        })
    }
}
