//! Commands that the admin signed for the next counter and that can't take effect, such as the
//! authorisation of a key that is authorised already. Whoever has one can send it again and again:
//! it has one row in the audit, and so many others of the same counter.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use proto::Hash;

/// Rows for commands of one counter, whoever sends how many.
const MAX_ROWS: usize = 16;

/// Which of them have a row, for the latest counter that one was signed for.
#[derive(Default)]
pub(super) struct RefusedContent(Mutex<Recorded>);

#[derive(Default)]
struct Recorded {
    counter: u64,
    digests: HashSet<Hash>,
}

impl RefusedContent {
    /// Whether this one gets a row. A restart forgets what has one.
    pub(super) fn gets_row(&self, counter: u64, digest: Hash) -> bool {
        // A panic elsewhere leaves a whole set behind.
        let mut recorded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if recorded.counter != counter {
            *recorded = Recorded { counter, digests: HashSet::new() };
        }
        recorded.digests.len() < MAX_ROWS && recorded.digests.insert(digest)
    }

    /// Its row could not be written.
    pub(super) fn has_no_row(&self, counter: u64, digest: &Hash) {
        let mut recorded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if recorded.counter == counter {
            recorded.digests.remove(digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_one_row_and_a_counter_so_many() {
        let refused = RefusedContent::default();
        let rows = |counter| {
            let digests = (0..3 * u8::try_from(MAX_ROWS).unwrap()).map(|number| Hash([number / 2; 32]));
            digests.filter(|digest| refused.gets_row(counter, *digest)).count()
        };
        assert_eq!((rows(1), rows(1), rows(2)), (MAX_ROWS, 0, MAX_ROWS));
    }
}
