//! One sponsorship, by type: `SponsorRequest`, `QuotedRequest`, `Approved`, `Sponsored`.

mod account;
mod approve;
mod attribute;
mod flow;
mod gesture;
mod grant;
mod intent;
mod preview;
mod quote;
mod refusals;
mod request;
mod stub;
mod turn;
mod validation;
mod window;

pub use account::AccountInfo;
pub use flow::Sponsored;
pub use intent::Intent;
pub use request::{DraftRequest, SponsorRequest};
pub use stub::Stub;

pub(crate) use grant::Granted;
pub(crate) use refusals::Refusals;
pub(crate) use turn::Turns;
pub(crate) use window::Window;
