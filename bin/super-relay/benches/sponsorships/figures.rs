//! Everything that a run measured.

use crate::floor::Floor;
use crate::others::Measured;
use crate::round::Round;

/// The measurements of a run.
pub struct Figures {
    pub floor: Floor,
    /// With few open reservations, then with many.
    pub rounds: Vec<Round>,
    /// At half of the rate that the node can serve.
    pub half: Round,
    pub others: Vec<Measured>,
    pub memory: Vec<Memory>,
}

/// The node's resident memory at one moment.
pub struct Memory {
    pub sponsorships: u64,
    pub connections: usize,
    pub mebibytes: f64,
}

impl Figures {
    /// CPU of the node for each request, in floors of cryptography.
    pub fn floors(&self, round: &Round) -> f64 {
        round.cpu() / self.floor.cryptography().as_secs_f64()
    }

    /// How often the node's CPU for one request fits into that of another program, at the load that
    /// the other was measured with.
    pub fn times(&self, other: &Measured) -> Option<f64> {
        let same = self.rounds.iter().find(|round| round.load_by.connections() == Some(other.connections))?;
        Some(other.sent.each(other.cpu.total()) / same.cpu())
    }
}
