//! How many blocks a node takes in one query of logs. Nodes limit the blocks, the logs, the time
//! and the length of an answer, and also how often they are queried; their refusals do not tell
//! which limit it was.

/// Maximum number of blocks in one query.
pub(super) const MOST_AT_ONCE: u64 = 1000;
/// Number of answers after which a longer query is tried.
const GOOD_ANSWERS: u32 = 8;

/// The number of blocks that the node is expected to take, learned from its answers and refusals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Width {
    /// In the next query.
    at_once: u64,
    /// In the longest query that was answered, as long as none up to that was refused repeatedly.
    answered: u64,
    /// Whether it has just grown.
    is_trial: bool,
    /// Whether a query was refused that is repeated.
    is_doubted: bool,
    /// Answers of that many blocks since the last change or refusal.
    good: u32,
    /// By how much the next query grows after enough of them.
    step: u64,
}

impl Default for Width {
    fn default() -> Self {
        Self { at_once: MOST_AT_ONCE, answered: 1, is_trial: false, is_doubted: false, good: 0, step: 1 }
    }
}

impl Width {
    /// The last block of a query that begins at `from` and reaches at most `end`.
    pub(super) fn last_block(&self, from: u64, end: u64) -> u64 {
        end.min(from.saturating_add(self.at_once - 1))
    }

    /// A query of these blocks was answered. After some answers queries grow: by one block, then by
    /// two, by four, until one is refused.
    pub(super) fn note_answered(&mut self, from: u64, to: u64) {
        let asked = to - from + 1;
        self.answered = self.answered.max(asked);
        self.is_doubted = false;
        if asked < self.at_once {
            return;
        }
        self.is_trial = false;
        self.good += 1;
        if self.good >= GOOD_ANSWERS {
            self.at_once = MOST_AT_ONCE.min(self.at_once + self.step);
            self.step = MOST_AT_ONCE.min(self.step * 2);
            (self.is_trial, self.good) = (true, 0);
        }
    }

    /// A query of these blocks took too long: the next one has half of them.
    pub(super) fn note_too_slow(&mut self, from: u64, to: u64) {
        let half = (to - from).div_ceil(2).max(1);
        *self = Self { at_once: half, answered: self.answered.min(half), ..Self::default() };
    }

    /// A query of these blocks was refused. The next one is shorter, but longer than those that
    /// were answered. If one of that length was answered before, or is tried for the first time
    /// after it grew, it is to be repeated once, and true is returned: the node may only limit how
    /// often it is queried.
    pub(super) fn note_refused(&mut self, from: u64, to: u64) -> bool {
        let asked = to - from + 1;
        if (asked <= self.answered || self.is_trial) && !self.is_doubted {
            self.is_doubted = true;
            return true;
        }
        if asked <= self.answered {
            self.answered = asked / 2;
        }
        (self.is_doubted, self.is_trial, self.good, self.step) = (false, false, 0, 1);
        self.at_once = ((self.answered + asked) / 2).max(1);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads that many blocks of a node that answers a query if the predicate holds for its number
    /// and its blocks; returns the number of queries, and of those that were refused.
    fn read(width: &mut Width, blocks: u64, is_answered: impl Fn(u64, u64) -> bool) -> (u64, u64) {
        let (mut from, mut queries, mut refused) = (1, 0, 0);
        while from <= blocks {
            queries += 1;
            let to = width.last_block(from, blocks);
            if is_answered(queries, to - from + 1) {
                width.note_answered(from, to);
                from = to + 1;
            } else {
                width.note_refused(from, to);
                refused += 1;
            }
        }
        (queries, refused)
    }

    #[test]
    fn a_node_that_takes_few_blocks_is_asked_for_as_many_as_it_takes() {
        for most in [1, 7, 10, 500, 999] {
            let mut width = Width::default();
            read(&mut width, 1000 * most, |_, asked| asked <= most);
            let (queries, refused) = read(&mut width, 1000 * most, |_, asked| asked <= most);
            assert!(refused <= 260 && queries - refused <= 1010, "{most}: {queries}, {refused} refused");
        }
    }

    #[test]
    fn refusals_that_pass_are_forgotten() {
        let mut width = Width::default();
        for to in [1000, 500, 250, 125, 63, 32, 16, 8, 4, 2, 1, 1] {
            width.note_refused(1, to);
        }
        assert_eq!(width.at_once, 1);
        let (queries, _) = read(&mut width, 10_000, |_, _| true);
        assert!(queries < 100 && width.at_once == MOST_AT_ONCE, "{queries}");
    }

    #[test]
    fn a_node_that_refuses_one_query_in_ten_is_asked_for_many_blocks() {
        let mut width = Width { at_once: 1, ..Width::default() };
        read(&mut width, 1000, |number, _| number % 10 != 0);
        let (queries, _) = read(&mut width, 10_000, |number, _| number % 10 != 0);
        assert!(queries < 150, "{queries}");
    }
}
