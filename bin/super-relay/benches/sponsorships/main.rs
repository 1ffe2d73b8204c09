//! Sponsorships per second and CPU time per request over HTTP, next to the floor: the cost of the
//! cryptography alone.
//!
//! The node is the release build in a process of its own, alone on one core; load, chain and this
//! program share another. Nothing is left out: real anvil and EntryPoint, the TEE simulator, SQLite
//! with every row synced to disk, passkeys checked. No time is asserted, but every request must
//! succeed and the last operation of every round must succeed on chain.

mod account;
mod cores;
mod cpu;
mod floor;
mod load;
mod metrics;
mod operation;
mod report;
mod round;
mod world;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

use account::Account;
use cores::Cores;
use floor::Floor;
use world::World;

/// Errors here are only read by people.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const CONNECTIONS: [usize; 3] = [1, 4, 16];
const WARM_UP: usize = 200;

/// Sponsorships per second and CPU per request.
#[derive(Parser)]
struct Args {
    /// Requests of each round.
    #[arg(long, default_value_t = 2000)]
    requests: usize,
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
    let mut account = Account::create(&world).await?;
    round::run(&world, &mut account, 4, WARM_UP).await.map_err(|error| world.explain(error))?;
    let mut rounds = Vec::new();
    for connections in CONNECTIONS {
        let outcome = round::run(&world, &mut account, connections, args.requests).await;
        rounds.push(outcome.map_err(|error| world.explain(error))?);
    }
    report::rounds(&rounds, &floor);
    Ok(())
}
