//! The properties of the trusted core (docs/threat-model.md), each tested on the real core through
//! frames only.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what can't be built fails the test")]

mod accounts;
mod admin;
mod admin_cases;
mod allowances;
mod approvals;
mod attest;
mod batch;
mod binding;
mod buckets;
mod cases;
mod ceilings;
mod durability;
mod fuzz;
mod hostile_host;
mod layouts;
mod lists;
mod messages;
mod paymaster_keys;
mod recording;
mod rollback;
mod rotation;
mod secrets;
mod support;
mod tee_id;
mod webauthn;
