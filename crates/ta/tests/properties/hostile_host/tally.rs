//! Counts of outcomes, to check that the harness reaches everything.

/// Counts over one sequence, or over all.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub frames: u32,
    pub refused: u32,
    pub sponsored: u32,
    pub without_passkey: u32,
    pub listed: u32,
    pub signed: u32,
    pub messages: u32,
    pub created: u32,
    pub administered: u32,
    pub paymaster_keys: u32,
    pub replayed: u32,
    pub batched: u32,
    pub restarts: u32,
    pub faults: u32,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.refused += other.refused;
        self.sponsored += other.sponsored;
        self.without_passkey += other.without_passkey;
        self.listed += other.listed;
        self.signed += other.signed;
        self.messages += other.messages;
        self.created += other.created;
        self.administered += other.administered;
        self.paymaster_keys += other.paymaster_keys;
        self.replayed += other.replayed;
        self.batched += other.batched;
        self.restarts += other.restarts;
        self.faults += other.faults;
    }
}
