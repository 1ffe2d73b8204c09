//! On whose behalf the TEE is asked.

/// Whoever has a frame sent, as far as it is known: its place in the queue and its turn are counted
/// by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asker {
    /// Nobody who is known: all of them share one place.
    Anyone,
    /// An authorised relay key.
    RelayKey {
        /// The number of its record, which a rotation keeps.
        record: u64,
    },
}
