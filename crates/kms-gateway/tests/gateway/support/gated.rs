//! TEEs that misbehave like hardware: one is slow, one lies. Behind both is the real trusted core.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kms_gateway::protection::{Level, RequiredProtection};
use kms_gateway::transport::{
    Asker, QueueStats, ServedTee, Session, SessionError, TeeTransport, TransportError, Worker, WorkerOptions,
};
use prometheus::core::Collector;
use proto::Bounded;
use proto::command::{Opcode, Protection};
use proto::frame::{encode_refusal, split_request};
use ta::memory::{MemoryDevice, SeededEntropy};
use ta::{Core, Platform};

/// While it is shut, the TEE does not answer.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn shut(&self) {
        *self.0.0.lock().unwrap() = true;
    }

    pub fn open(&self) {
        *self.0.0.lock().unwrap() = false;
        self.0.1.notify_all();
    }

    pub fn pass(&self) {
        let shut = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(shut, |shut| *shut).unwrap());
    }
}

/// Options for the workers of a test: delays of a busy machine do not count as stuck, and no test
/// waits for the longest closing.
pub const OPTIONS: WorkerOptions = WorkerOptions {
    queue_length: 8,
    stuck_after: Duration::from_secs(60),
    longest_closing: Duration::from_secs(3600),
    batch_length: 1,
    required_protection: NONE,
};

const NONE: RequiredProtection = RequiredProtection {
    storage: Level(Protection::None),
    rollback: None,
    time: Level(Protection::None),
    own_ta_key: false,
};

/// A session that first answers the admission queries of every new session, and then behaves like
/// `session`.
pub fn showing(platform: Platform, mut session: impl Session) -> impl Session {
    let device = MemoryDevice::default();
    let mut core = Core::open(device.store(), SeededEntropy::new([7; 32]), device.counter(), platform).unwrap();
    // Hello and VerifySecurityState.
    let mut questions = 2;
    move |frame: &[u8]| match questions {
        0 => session.call(frame),
        _ => {
            questions -= 1;
            Ok(core.handle(frame))
        }
    }
}

/// A TEE whose replies wait at a gate.
pub struct GatedTee(Worker);

impl From<Worker> for GatedTee {
    fn from(worker: Worker) -> Self {
        Self(worker)
    }
}

impl GatedTee {
    pub fn start(queue_length: usize, gate: Gate) -> Self {
        Self::with_options(WorkerOptions { queue_length, ..OPTIONS }, gate)
    }

    pub fn with_options(options: WorkerOptions, gate: Gate) -> Self {
        Self::with_replies(options, move |_, reply| {
            gate.pass();
            reply
        })
    }

    fn with_replies(
        options: WorkerOptions,
        change: impl Fn(Opcode, Vec<u8>) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let change = Arc::new(change);
        let worker = Worker::start(options, move || {
            let change = Arc::clone(&change);
            let platform = platform(Protection::None, "0.0.0");
            let device = MemoryDevice::default();
            let mut core = Core::open(device.store(), SeededEntropy::new([7; 32]), device.counter(), platform)?;
            Ok::<_, proto::Status>(move |frame: &[u8]| {
                let (opcode, _) = split_request(frame).unwrap();
                Ok::<_, SessionError>(change(opcode, core.handle(frame)))
            })
        });
        Self(worker.unwrap())
    }
}

#[async_trait]
impl TeeTransport for GatedTee {
    async fn invoke(&self, frame: Vec<u8>, asker: Asker) -> Result<Vec<u8>, TransportError> {
        self.0.invoke(frame, asker).await
    }

    fn stats(&self) -> QueueStats {
        self.0.stats()
    }

    fn instruments(&self) -> Vec<Box<dyn Collector>> {
        self.0.instruments()
    }

    fn served(&self) -> &ServedTee {
        self.0.served()
    }

    fn mode(&self) -> &'static str {
        "gated"
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

/// A TEE that panics on command, and may come back as another one.
pub struct ChangingTee;

impl ChangingTee {
    /// Its first session reports the first of these, and each later session the next one. The
    /// session is lost at the call after `dying` was set.
    pub fn start(
        reports: impl IntoIterator<Item = Platform, IntoIter: Send + 'static>,
        dying: Arc<AtomicBool>,
    ) -> GatedTee {
        Self::with_options(OPTIONS, reports, dying)
    }

    pub fn with_options(
        options: WorkerOptions,
        reports: impl IntoIterator<Item = Platform, IntoIter: Send + 'static>,
        dying: Arc<AtomicBool>,
    ) -> GatedTee {
        let mut reports = reports.into_iter();
        let device = MemoryDevice::default();
        let worker = Worker::start(options, move || {
            let platform = reports.next().ok_or(proto::Status::StorageFailed)?;
            let mut core = Core::open(device.store(), SeededEntropy::new([7; 32]), device.counter(), platform)?;
            let dying = Arc::clone(&dying);
            Ok::<_, proto::Status>(move |frame: &[u8]| match dying.swap(false, Ordering::SeqCst) {
                true => Err(SessionError::Dead("as it was told".into())),
                false => Ok(core.handle(frame)),
            })
        });
        GatedTee(worker.unwrap())
    }
}

/// The report of a TEE with this protection of its storage.
pub fn platform(storage: Protection, version: &str) -> Platform {
    Platform {
        version: Bounded::new(version.to_owned()).unwrap(),
        measurement: proto::Hash::default(),
        storage,
        rollback: Protection::None,
        time: Protection::None,
    }
}

/// A TEE that flips one bit in replies to one command.
pub struct LyingTee;

impl LyingTee {
    /// Flips the lowest bit of the byte at `position` from the end while `lying` is set.
    pub fn start(about: Opcode, position: usize, lying: Arc<AtomicBool>) -> GatedTee {
        GatedTee::with_replies(OPTIONS, move |opcode, mut reply| {
            if opcode == about && lying.load(Ordering::SeqCst) {
                let index = reply.len() - 1 - position;
                reply[index] ^= 1;
            }
            reply
        })
    }
}

/// A TEE whose storage fails for some accounts.
pub struct FailingTee;

impl FailingTee {
    /// While `failing` is set, accounts with this in their name cannot be read.
    pub fn start(name: &'static str, failing: Arc<AtomicBool>) -> GatedTee {
        GatedTee::with_replies(OPTIONS, move |opcode, reply| {
            let is_theirs = reply.windows(name.len()).any(|window| window == name.as_bytes());
            match opcode == Opcode::GetWalletInfo && is_theirs && failing.load(Ordering::SeqCst) {
                true => encode_refusal(proto::Status::StorageFailed),
                false => reply,
            }
        })
    }
}
