//! Sponsorships per second and CPU time per request over HTTP, next to the floor: the cost of the
//! cryptography alone; and next to other programs on the same core.
//!
//! The node is the release build in a process of its own, alone on one core; load, chain and this
//! program share another. Nothing is left out: real anvil and EntryPoint, the TEE simulator, SQLite
//! with every row synced to disk, passkeys checked. No time is asserted, but every request must
//! succeed and the last operation of every round must succeed on chain.

mod account;
mod chart;
mod cores;
mod cpu;
mod document;
mod figures;
mod floor;
mod load;
mod memory;
mod metrics;
mod operation;
mod others;
mod report;
mod round;
mod world;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use account::Account;
use cores::Cores;
use figures::{Figures, Memory};
use floor::Floor;
use round::{Load, Round};
use world::World;

/// Errors here are only read by people.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const CONNECTIONS: [usize; 3] = [1, 4, 16];
const MOST_CONNECTIONS: usize = 16;
const IDLE_CONNECTIONS: usize = 1000;
const WARM_UP: usize = 200;
/// Sponsorships between two looks at how many are open.
const STEP: usize = 2000;

/// Sponsorships per second and CPU per request.
#[derive(Parser)]
struct Args {
    /// Requests of each round.
    #[arg(long, default_value_t = 2000)]
    requests: usize,
    /// Open reservations before the last rounds; 0 leaves those rounds out.
    #[arg(long, default_value_t = 100_000)]
    open: u64,
    /// Leaves out the other programs.
    #[arg(long)]
    alone: bool,
    /// Writes the figures into this page of the repository, and the chart beside it.
    #[arg(long, value_name = "PAGE")]
    write: Option<PathBuf>,
    /// Cargo passes this to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::failure(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Outcome<()> {
    let cores = Cores::divide()?;
    report::begin(&cores, args.requests);
    let floor = Floor::measure()?;
    report::floor(&floor);

    let world = World::start(&cores).await?;
    let figures = measure(args, &cores, &world, floor).await.map_err(|error| world.explain(error))?;
    report::figures(&figures);
    match &args.write {
        Some(page) => document::write(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page), &figures),
        None => Ok(()),
    }
}

async fn measure(args: &Args, cores: &Cores, world: &World, floor: Floor) -> Outcome<Figures> {
    let mut account = Account::create(world).await?;
    round::run(world, &mut account, Load::Connections(4), WARM_UP).await?;
    let mut rounds = at_each(world, &mut account, args.requests).await?;
    let full = rounds.last().map(Round::per_second).ok_or("no round")?;
    let half = round::run(world, &mut account, Load::Rate(full / 2.0), args.requests).await?;

    let others = match args.alone {
        true => Vec::new(),
        false => others::measure(world, cores, MOST_CONNECTIONS, args.requests).await?,
    };
    let mut memory = vec![
        Memory { sponsorships: account.sponsored(), connections: 0, mebibytes: memory::resident(world)? },
        Memory {
            sponsorships: account.sponsored(),
            connections: IDLE_CONNECTIONS,
            mebibytes: memory::with_connections(world, IDLE_CONNECTIONS).await?,
        },
    ];
    if args.open > 0 {
        while account.sponsored() < args.open {
            round::run(world, &mut account, Load::Connections(MOST_CONNECTIONS), STEP).await?;
        }
        let mebibytes = memory::resident(world)?;
        memory.push(Memory { sponsorships: account.sponsored(), connections: 0, mebibytes });
        rounds.extend(at_each(world, &mut account, args.requests).await?);
    }
    Ok(Figures { floor, rounds, half, others, memory })
}

async fn at_each(world: &World, account: &mut Account, requests: usize) -> Outcome<Vec<Round>> {
    let mut rounds = Vec::new();
    for connections in CONNECTIONS {
        rounds.push(round::run(world, account, Load::Connections(connections), requests).await?);
    }
    Ok(rounds)
}
