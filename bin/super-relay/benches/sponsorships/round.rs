//! A round: fresh requests over this many connections, and what the node, the chain and the load
//! used for them.

use std::time::Duration;

use crate::Outcome;
use crate::account::{Account, handle};
use crate::cpu::Cpu;
use crate::load::{self, Sent};
use crate::metrics::Metrics;
use crate::world::World;

/// Stages of the relay's cycle, as its metrics name them.
pub const STAGES: [&str; 4] = ["claim", "approve", "sign", "record"];

/// How requests are sent.
#[derive(Clone, Copy)]
pub enum Load {
    /// Over this many connections, each one after the other.
    Connections(usize),
    /// This many a second.
    Rate(f64),
}

impl Load {
    /// The number of connections, unless they are as many as needed.
    pub fn connections(self) -> Option<usize> {
        match self {
            Self::Connections(connections) => Some(connections),
            Self::Rate(_) => None,
        }
    }
}

/// The measurements.
pub struct Round {
    pub load_by: Load,
    /// Sponsorships reserved in the node when the round begins.
    pub living: u64,
    pub sent: Sent,
    /// The node's CPU time.
    pub node: Cpu,
    /// The chain's CPU time.
    pub chain: Cpu,
    /// The CPU time of this process to send requests and check the answers.
    pub load: Cpu,
    /// The average time of each of [`STAGES`].
    pub stages: [Duration; STAGES.len()],
    /// The average time of a call to the TEE, its wait in the queue included.
    pub tee: Duration,
}

impl Round {
    /// Requests per second.
    pub fn per_second(&self) -> f64 {
        self.sent.per_second()
    }

    /// CPU seconds of the node for each request.
    pub fn cpu(&self) -> f64 {
        self.sent.each(self.node.total())
    }

    /// Fraction of its core that the node used.
    pub fn busy(&self) -> f64 {
        self.node.total().as_secs_f64() / self.sent.took.as_secs_f64()
    }
}

/// CPU time used so far.
struct Used {
    node: Cpu,
    chain: Cpu,
    load: Cpu,
    metrics: Metrics,
}

/// Sends fresh requests; afterwards the last operation has to succeed on chain.
pub async fn run(world: &World, account: &mut Account, load_by: Load, count: usize) -> Outcome<Round> {
    let (living, requests) = (account.sponsored(), account.requests(count)?);
    let before = Used::until_now(world).await?;
    let rpc = world.url("rpc")?;
    let sent = match load_by {
        Load::Connections(connections) => load::send(&rpc, requests, connections, load::is_sponsored).await?,
        Load::Rate(per_second) => load::pace(&rpc, requests, per_second).await?,
    };
    let after = Used::until_now(world).await?;
    handle(world, &sent.last).await?;

    let mean = |histogram, label: &str| after.metrics.mean_since(&before.metrics, histogram, label);
    let mut stages = [Duration::ZERO; STAGES.len()];
    for (took, stage) in stages.iter_mut().zip(STAGES) {
        *took = mean("relay_stage_seconds", &format!("stage=\"{stage}\""))?;
    }
    Ok(Round {
        load_by,
        living,
        sent,
        node: after.node.since(&before.node),
        chain: after.chain.since(&before.chain),
        load: after.load.since(&before.load),
        stages,
        tee: mean("kms_tee_call_seconds", "command=\"Sponsor\"")?,
    })
}

impl Used {
    async fn until_now(world: &World) -> Outcome<Self> {
        Ok(Self {
            node: Cpu::of(world.node.process_id().ok_or("the node has ended")?)?,
            chain: Cpu::of(world.anvil.process_id())?,
            load: Cpu::of(std::process::id())?,
            metrics: Metrics::read(&world.url("ops")?).await?,
        })
    }
}
