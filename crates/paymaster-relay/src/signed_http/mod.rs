//! Requests to a server of the operator, signed as the specification "Standard Webhooks" 1.0 says:
//! the server can tell that they are this relay's, and that nobody changed them.

mod endpoint;
mod secrets;

pub(crate) use endpoint::{Answer, Manner, SignedEndpoint, Unanswered, Weight};
pub(crate) use secrets::Secrets;
