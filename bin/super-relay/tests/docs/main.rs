//! Checks docs/ against the code and a running node.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests: what can't be done fails"
)]

mod circles;
mod conflicts;
mod contract_commands;
mod dependencies;
mod dev_toml;
mod errors;
mod examples;
mod layers;
mod markdown;
mod metrics;
mod node;
mod paths;
mod payloads;
mod project;
mod protocol;
mod reasons;
mod routes;
mod shape;
mod source;
mod stub_kms;
mod width;
