//! `make demo`: one sponsored operation from nothing to the chain, showing every step.

mod args;
mod client;
mod configuration;
mod keep;
mod local;
mod passkey;
mod place;
mod product;
mod remote_tee;
mod settlement;
mod story;
mod world;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

use args::Args;
use story::Story;
use world::World;

/// Errors are only shown to a person, as text.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            story::failure(&client::explained(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Outcome<()> {
    let story = Story::begin(args.entrypoint);
    let mut world = World::start(args, &story).await?;
    if let Err(error) = sponsor(&world, args, &story).await {
        return Err(world.explain(&client::explained(&*error)).into());
    }
    if args.keep { keep::until_interrupted(&mut world, &story, args).await } else { keep::stop(&mut world).await }
}

async fn sponsor(world: &World, args: &Args, story: &Story) -> Outcome<()> {
    let sponsored = match args.local_key {
        true => local::sponsor(world, story).await?,
        false => passkey::sponsor(world, story).await?,
    };
    settlement::settle(world, &sponsored, story).await
}
