//! One sponsorship, by type: `SponsorRequest`, `QuotedRequest`, `Approved`, `Sponsored`.

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
