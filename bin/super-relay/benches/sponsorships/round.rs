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

/// The measurements.
pub struct Round {
    pub connections: usize,
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

/// CPU time used so far.
struct Used {
    node: Cpu,
    chain: Cpu,
    load: Cpu,
    metrics: Metrics,
}

/// Sends fresh requests; afterwards the last operation has to succeed on chain.
pub async fn run(world: &World, account: &mut Account, connections: usize, count: usize) -> Outcome<Round> {
    let (living, requests) = (account.sponsored(), account.requests(count)?);
    let before = Used::until_now(world).await?;
    let sent = load::send(&world.url("rpc")?, requests, connections).await?;
    let after = Used::until_now(world).await?;
    handle(world, &sent.last).await?;

    let mean = |histogram, label: &str| after.metrics.mean_since(&before.metrics, histogram, label);
    let mut stages = [Duration::ZERO; STAGES.len()];
    for (took, stage) in stages.iter_mut().zip(STAGES) {
        *took = mean("relay_stage_seconds", &format!("stage=\"{stage}\""))?;
    }
    Ok(Round {
        connections,
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
