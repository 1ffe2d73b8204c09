//! super-relay: one binary, started as `node` or `kms`, or as a tool of its operator.

mod admin;
mod api_key;
mod cli;
mod client;
mod config;
mod error;
mod in_process_kms;
mod ops;
mod shutdown;
mod telemetry;
mod wire;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    let code = match cli::Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            telemetry::report(&error);
            ExitCode::FAILURE
        }
    };
    telemetry::finish();
    code
}
