//! Every refusal by the real node: typed, with reason, retryable and the request's ID, and nothing
//! signed.

mod chain;
mod edge;
mod kms;
mod outages;
mod passkey;
mod relay;
