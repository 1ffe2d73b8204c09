//! Every no of the real node: typed, with reason, retryable and the request's id, and nothing
//! signed.

mod chain;
mod edge;
mod kms;
mod outages;
mod passkey;
mod relay;
