//! On whose behalf the TEE is called.

/// The sender of a frame, as far as known: its share of the queue and its turns are counted by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asker {
    /// Unknown senders, who share one place.
    Anyone,
    /// An authorised relay key.
    RelayKey {
        /// The number of its record, which a rotation keeps.
        record: u64,
    },
}
