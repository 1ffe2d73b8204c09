//! Predictable randomness from a test's seed, as in `ta::memory::SeededEntropy`.

use core::cell::RefCell;

use sha2::{Digest, Sha256};
use ta::{Entropy, EntropyError};

/// The platform's randomness, until a test provides a seed.
pub(crate) struct Foretellable<E>(pub(crate) E);

impl<E: Entropy> Entropy for Foretellable<E> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        if fill(bytes) { Ok(()) } else { self.0.fill(bytes) }
    }
}

struct Stream {
    seed: [u8; 32],
    drawn: u64,
}

struct Foretold(RefCell<Option<Stream>>);

#[expect(unsafe_code, reason = "state between commands can only live in a static")]
// SAFETY: as for the core in `instance`.
unsafe impl Sync for Foretold {}

static FORETOLD: Foretold = Foretold(RefCell::new(None));

/// Derives all randomness from the seed until the instance ends. `None` while some is being drawn.
pub(crate) fn follow(seed: [u8; 32]) -> Option<()> {
    *FORETOLD.0.try_borrow_mut().ok()? = Some(Stream { seed, drawn: 0 });
    Some(())
}

/// Fills the bytes from the seed; `false` if there is no seed.
fn fill(bytes: &mut [u8]) -> bool {
    let Ok(mut foretold) = FORETOLD.0.try_borrow_mut() else { return false };
    let Some(stream) = foretold.as_mut() else { return false };
    for chunk in bytes.chunks_mut(32) {
        stream.drawn = stream.drawn.saturating_add(1);
        let block = Sha256::new().chain_update(stream.seed).chain_update(stream.drawn.to_be_bytes()).finalize();
        for (to, from) in chunk.iter_mut().zip(block) {
            *to = from;
        }
    }
    true
}
