//! What went into the worlds of a test and came out, written down, so that any other platform can
//! be held to the same bytes.

use std::cell::RefCell;

use proto::frame;
use serde::{Deserialize, Serialize};
use ta::Platform;
use ta::memory::Fault;

/// What tests sent, and what the core in memory answered.
#[derive(Serialize, Deserialize)]
pub struct Recording(pub Vec<Chapter>);

/// A test.
#[derive(Serialize, Deserialize)]
pub struct Chapter {
    pub name: String,
    /// Of a world each. What one keeps, later ones restore.
    pub tapes: Vec<Tape>,
}

pub type Tape = Vec<Event>;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The storage is empty.
    Empty,
    /// The storage is as it was kept under that number.
    Restore(u32),
    /// The storage is kept under that number.
    Keep(u32),
    /// Power off, if there was any, and on. Entropy follows from the seed.
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
    /// Of the test that runs on this thread, if it is recorded.
    static RECORDER: RefCell<Option<Recorder>> = const { RefCell::new(None) };
}

/// The tapes of all worlds that this makes, each on a platform that tells this of itself.
pub fn record(platform: Platform, run: impl FnOnce()) -> Vec<Tape> {
    RECORDER.set(Some(Recorder { platform, tapes: Vec::new() }));
    run();
    RECORDER.take().unwrap().tapes
}

pub fn is_recording() -> bool {
    RECORDER.with_borrow(Option::is_some)
}

/// What the platform tells of itself while it is recorded.
pub fn platform() -> Option<Platform> {
    RECORDER.with_borrow(|recorder| recorder.as_ref().map(|recorder| recorder.platform.clone()))
}

/// Where a world is written down, if anywhere.
#[derive(Clone, Copy)]
pub struct Track(Option<usize>);

impl Track {
    /// Of a new world.
    pub fn new() -> Self {
        Self::beginning_with(Event::Empty)
    }

    /// Of another world, whose storage is this one's as it is now.
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
