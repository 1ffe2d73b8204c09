//! The relay's JSON-RPC as types, for the relay and its clients: the table of methods, their
//! parameters and results, and the OpenRPC document.

mod document;
mod ids;
mod methods;
mod openrpc;
mod parameter;
mod parameters;
mod results;
mod schema;
mod scope;
mod verdicts;

pub use document::{Reason, document};
pub use ids::in_place_of;
pub use methods::{Method, RelayApiClient, RelayApiServer};
pub use openrpc::OpenRpc;
pub use parameter::{Param, Parameter, positions};
pub use parameters::{
    BundledOperation, ChainId, Context, InvitationOptions, Options, PolicyIds, StateOverrides, UserOperation,
    ValidationOptions,
};
pub use results::{
    AccountInfo, BundlerResult, Credential, CredentialRequest, Intent, Invitation, LaterPaymasterFields,
    PaymasterFields, PolicyData, PolicyLimit, SponsorName, SponsorResult, SponsoredGas, SponsoredOperation, StubData,
    ValidPolicy, VerificationProof,
};
pub use scope::{InvalidScope, Scope};
pub use verdicts::{DryRun, Outcome, Verdict};
