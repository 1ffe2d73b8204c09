//! The one core of this instance, opened at the first command and kept until OP-TEE drops the
//! instance.

use alloc::vec::Vec;
use core::cell::RefCell;

use optee_utee::{ErrorKind, Result};
use proto::{Status, frame};
use ta::{Buckets, Core};

use crate::attestation::OpteeAttestation;
use crate::counter::StoredCounter;
use crate::entropy::TeeEntropy;
use crate::platform;
use crate::store::{self, ObjectStore};
#[cfg(feature = "for-tests")]
use crate::test_ports::{Faulty, Foretellable};

#[cfg(not(feature = "for-tests"))]
type TeeCore = Core<Buckets<ObjectStore>, TeeEntropy, StoredCounter, OpteeAttestation>;
#[cfg(feature = "for-tests")]
type TeeCore = Core<Faulty<Buckets<ObjectStore>>, Foretellable<TeeEntropy>, Faulty<StoredCounter>, OpteeAttestation>;

struct Instance(RefCell<Option<TeeCore>>);

#[expect(unsafe_code, reason = "state between commands can only live in a static")]
// SAFETY: OP-TEE never runs two entry points of one instance at once (GlobalPlatform TEE Internal
// Core API 1.3, section 2.1.3) and a trusted application has one thread.
unsafe impl Sync for Instance {}

static INSTANCE: Instance = Instance(RefCell::new(None));

/// Answers one frame. If the core cannot be opened, the reply is a refusal with the reason, and the
/// next frame tries again.
///
/// # Errors
/// `BUSY` if a command arrives while another runs, which OP-TEE prevents.
pub(crate) fn handle(frame: &[u8]) -> Result<Vec<u8>> {
    let mut instance = INSTANCE.0.try_borrow_mut().map_err(|_| ErrorKind::Busy)?;
    if instance.is_none() {
        match open() {
            Ok(core) => *instance = Some(core),
            Err(refusal) => return Ok(frame::encode_refusal(refusal)),
        }
    }
    instance.as_mut().map(|core| core.handle(frame)).ok_or_else(|| ErrorKind::BadState.into())
}

/// The next frame opens the core again.
#[cfg(feature = "for-tests")]
pub(crate) fn forget() -> Result<()> {
    *INSTANCE.0.try_borrow_mut().map_err(|_| ErrorKind::Busy)? = None;
    Ok(())
}

fn open() -> core::result::Result<TeeCore, Status> {
    let (store, entropy, counter) = (store::open()?, TeeEntropy, StoredCounter::open()?);
    #[cfg(feature = "for-tests")]
    let (store, entropy, counter) = (Faulty(store), Foretellable(entropy), Faulty(counter));
    let core = Core::open(store, entropy, counter, platform::describe())?;
    Ok(core.attested_by(OpteeAttestation))
}
