//! The steps of a sponsorship, by type: `SponsorRequest`, `Attributed`, `Quote`, `Approved`,
//! `Sponsored`.
//!
//! [`Sponsor`] runs the cycle, using: `attribute` to find the principal of a request, `quote` for
//! its cost and terms, `grant` for the relay's permissions in the TEE; `approve` decides and
//! reserves, `simulation` asks a bundler and `approval_by_webhook` the operator's server, `sign`
//! calls the KMS and checks its reply, `preview` answers in advance.

mod account;
mod approval_by_webhook;
mod approve;
mod attribute;
mod flow;
mod gesture;
mod grant;
mod intent;
mod known;
mod preview;
mod quote;
mod refusals;
mod request;
mod sign;
mod simulation;
mod stub;
mod turn;
mod validation;
mod verdicts;
mod window;

pub use account::AccountInfo;
pub use flow::{Sponsor, Sponsored};
pub use intent::Intent;
pub use request::{DraftRequest, Placeholders, SponsorRequest};
pub use stub::Stub;
pub use verdicts::{Outcome, Verdict};

pub(crate) use window::Window;
