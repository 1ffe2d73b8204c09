//! The real binary, end to end: a node as a child process, a real chain with the real EntryPoints,
//! a software passkey.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests: what can't be done fails"
)]

#[macro_use]
mod support;

mod admin;
mod api_keys;
mod bindings;
mod chains;
mod clients;
mod config;
mod connections;
mod connections_flood;
mod contracts;
mod dual_signature;
mod echoes;
mod eip7702;
mod erc7677;
mod hangs;
mod invitations;
mod ledger;
mod lifecycle;
mod log_reader;
mod lost_tee;
mod opening;
mod outage_log;
mod page;
mod policies;
mod redis;
mod refusals;
mod remote_kms;
mod retries;
mod rotation;
mod send;
mod simulation;
mod sponsorship;
mod status;
mod stopping;
mod v09;
mod verify_audit;
mod webhooks;
mod websocket;
