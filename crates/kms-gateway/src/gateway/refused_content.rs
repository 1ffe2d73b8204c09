//! Commands that the admin signed for the next counter and that cannot take effect, such as the
//! authorisation of a key that is already authorised. Anyone who has such a command can send it
//! again and again: it gets one row in the audit, and each counter a limited number of rows.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use proto::Hash;

/// Maximum number of rows for commands of one counter.
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
    /// Whether this one gets a row. A restart forgets which have one.
    pub(super) fn gets_row(&self, counter: u64, digest: Hash) -> bool {
        // A panic elsewhere leaves the set consistent.
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
    fn each_command_has_one_row_and_a_counter_a_limited_number() {
        let refused = RefusedContent::default();
        let rows = |counter| {
            let digests = (0..3 * u8::try_from(MAX_ROWS).unwrap()).map(|number| Hash([number / 2; 32]));
            digests.filter(|digest| refused.gets_row(counter, *digest)).count()
        };
        assert_eq!((rows(1), rows(1), rows(2)), (MAX_ROWS, 0, MAX_ROWS));
    }
}
