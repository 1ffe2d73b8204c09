//! super-relay: one binary, started as `node` or `kms`, or as a tool of its operator.

mod address;
mod admin;
mod admin_socket;
mod api_key;
mod calendar;
mod cli;
mod client;
mod config;
mod contracts;
mod error;
mod in_process_kms;
mod json_rpc;
mod ledger;
mod local_key;
mod ops;
mod policies;
mod printable;
mod send;
mod shutdown;
mod table;
mod telemetry;
mod wire;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Builder;

use crate::error::Error;

/// Tasks that a worker runs before it checks for new input, and for tasks woken by other threads.
/// With Tokio's default of 61, both would wait while that many requests are parsed.
const EVENT_INTERVAL: u32 = 8;

fn main() -> ExitCode {
    let code = match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            telemetry::report(&error);
            error.exit_code()
        }
    };
    telemetry::finish();
    code
}

fn run() -> Result<(), Error> {
    let command = cli::Cli::parse();
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .global_queue_interval(EVENT_INTERVAL)
        .build();
    runtime.map_err(|error| Error::Start(format!("threads: {error}")))?.block_on(command.run())
}
