//! The relay over real parts: the trusted core, anvil with the real EntryPoints, SQLite, Redis, HTTP.

mod support;

mod claims;
mod clients;
mod idempotency;
mod outages;
mod policy;
mod refusals;
mod relay_key;
mod server;
mod settlement;
mod sponsoring;
