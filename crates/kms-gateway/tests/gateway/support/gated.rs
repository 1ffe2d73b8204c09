//! TEEs that misbehave as hardware may: one that is slow, one that lies. Behind both is the real trusted core.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use async_trait::async_trait;
use kms_gateway::transport::{QueueStats, TeeTransport, TransportError, Worker};
use proto::Bounded;
use proto::command::{Opcode, Protection};
use proto::frame::split_request;
use ta::memory::{MemoryDevice, SeededEntropy};
use ta::{Core, Platform};

/// While it is shut, the TEE answers nothing.
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

    fn pass(&self) {
        let shut = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(shut, |shut| *shut).unwrap());
    }
}

/// A TEE whose replies wait at a gate.
pub struct GatedTee(Worker);

impl GatedTee {
    pub fn start(queue_length: usize, gate: Gate) -> Self {
        Self::with_replies(queue_length, move |_, reply| {
            gate.pass();
            reply
        })
    }

    fn with_replies(queue_length: usize, change: impl Fn(Opcode, Vec<u8>) -> Vec<u8> + Send + 'static) -> Self {
        let worker = Worker::start(queue_length, move || {
            let platform = Platform {
                version: Bounded::new("0.0.0".to_owned()).unwrap(),
                measurement: proto::Hash::default(),
                storage: Protection::None,
                rollback: Protection::None,
                time: Protection::None,
            };
            let device = MemoryDevice::default();
            let mut core = Core::open(device.store(), SeededEntropy::new([7; 32]), device.counter(), platform)?;
            Ok::<_, proto::Status>(move |frame: &[u8]| {
                let (opcode, _) = split_request(frame).unwrap();
                Ok(change(opcode, core.handle(frame)))
            })
        });
        Self(worker.unwrap())
    }
}

#[async_trait]
impl TeeTransport for GatedTee {
    async fn invoke(&self, frame: Vec<u8>) -> Result<Vec<u8>, TransportError> {
        self.0.invoke(frame).await
    }

    fn stats(&self) -> QueueStats {
        self.0.stats()
    }

    fn mode(&self) -> &'static str {
        "gated"
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

/// A TEE that flips one bit in replies to one command.
pub struct LyingTee;

impl LyingTee {
    /// Flips the lowest bit of the byte at `position` from the end, as long as `lying` is set.
    pub fn start(about: Opcode, position: usize, lying: Arc<AtomicBool>) -> GatedTee {
        GatedTee::with_replies(8, move |opcode, mut reply| {
            if opcode == about && lying.load(Ordering::SeqCst) {
                let index = reply.len() - 1 - position;
                reply[index] ^= 1;
            }
            reply
        })
    }
}
