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

/// What was measured.
pub struct Round {
    pub connections: usize,
    /// Sponsorships that the node keeps reserved when the round begins.
    pub living: u64,
    pub sent: Sent,
    /// What the node used.
    pub node: Cpu,
    /// What the chain used.
    pub chain: Cpu,
    /// What this process used to send and to look at the answers.
    pub load: Cpu,
    /// How long each of [`STAGES`] took on average.
    pub stages: [Duration; STAGES.len()],
    /// How long a call to the TEE took on average, its wait in the queue included.
    pub tee: Duration,
}

/// Everything used so far.
struct Used {
    node: Cpu,
    chain: Cpu,
    load: Cpu,
    metrics: Metrics,
}

/// Sends fresh requests; the last operation then has to go through on chain.
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
