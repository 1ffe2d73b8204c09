//! The relay with real parts: the trusted core, anvil with the real EntryPoints, SQLite, Redis,
//! HTTP.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what a test stands on either works or fails the test"
)]

mod support;

mod account_code;
mod allowances;
mod answers;
mod api_key_store;
mod api_keys;
mod batches;
mod budget;
mod bundlers;
mod chains;
mod claims;
mod clients;
mod clocks;
mod cors;
mod counters;
mod damaged_database;
mod discover;
mod disk_full;
mod fees;
mod idempotency;
mod invitations;
mod killed;
mod lists;
mod logged;
mod node;
mod outages;
mod paymaster_keys;
mod pimlico;
mod policy;
mod policy_changes;
mod policy_lists;
mod policy_store;
mod preview;
mod prices;
mod readiness;
mod refusals;
mod relay_key;
mod remote_kms;
mod server;
mod settings;
mod settlement;
mod shares;
mod simulation;
mod spending;
mod sponsoring;
mod store;
mod strangers;
mod tls;
mod unproven;
mod validation;
mod verdicts;
mod webhook_events;
mod webhooks;
