//! The gateway as its callers see it: HTTP on a port, SQLite on disk, and the real trusted core
//! behind the queue.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

mod accounts;
mod admin;
mod admin_in_doubt;
mod admission;
mod allowances;
mod android;
mod answers;
mod audit;
mod browsers;
mod clock_set_right;
mod closing;
mod damaged_database;
mod disk_full;
mod factory_scheme;
mod failures;
mod flood;
mod messages;
mod moved_database;
mod other_gateways;
mod permits;
mod protection;
mod rationed_refusals;
mod requests;
mod restart;
mod rotations;
mod served;
mod signing;
mod simulator;
mod store;
mod unfinished_accounts;
mod wire;
mod worker;
mod worker_chaos;
