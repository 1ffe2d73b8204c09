//! One sponsorship, by type: `SponsorRequest`, `Attributed`, `Quote`, `Approved`, `Sponsored`.
//!
//! [`Sponsor`] runs the cycle, put together from: `attribute` finds out who stands behind a
//! request, `quote` what it costs and on what terms, `grant` what the TEE lets the relay sponsor;
//! `approve` decides and reserves, `sign` asks the KMS and looks at its reply, `preview` tells
//! in advance.

mod account;
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
mod stub;
mod turn;
mod validation;
mod window;

pub use account::AccountInfo;
pub use flow::{Sponsor, Sponsored};
pub use intent::Intent;
pub use request::{DraftRequest, SponsorRequest};
pub use stub::Stub;

pub(crate) use window::Window;
