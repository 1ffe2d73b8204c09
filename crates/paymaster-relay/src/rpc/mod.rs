//! The JSON-RPC surface: one parser, one form of answers, one table of errors.

mod answer;
mod call_log;
mod calls;
mod cors;
mod error;
mod headers;
mod http;
mod methods;
mod page;
mod pimlico;
mod reasons;
mod report;
mod route;
mod server;
mod sources;
mod verdicts;
mod wire;

pub use page::Page;
pub use server::RpcServer;
pub(crate) use sources::{origins, proxies};

use std::sync::Arc;

use serve::Client;
use uuid::Uuid;

use crate::chains::Chain;
use crate::clients::Access;
use error::EdgeError;

/// The id of a request, in the answer, the log and the gateway's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(pub(crate) String);

impl RequestId {
    const MAX_LENGTH: usize = 64;

    pub(crate) fn new() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// A caller's own id, if it is valid in a header and a log line.
    pub(crate) fn of_caller(text: &str) -> Option<Self> {
        let sane = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        let fits = !text.is_empty() && text.len() <= Self::MAX_LENGTH && text.bytes().all(sane);
        fits.then(|| Self(text.to_owned()))
    }
}

/// The chain named by the path of a call, if any.
#[derive(Clone, Debug, Default)]
pub(crate) struct OfPath(pub(crate) Option<Arc<Chain>>);

/// Attached to every request that passed the edge: the access for its calls, or why each of them is
/// refused. Such a refusal is an answer to the call, with its id and status 200: clients read no
/// other.
#[derive(Clone, Debug)]
enum Entrance {
    Open { access: Access, client: Client, chain: OfPath, origin: Option<Arc<str>> },
    Refused(EdgeError),
}

/// Marks a response created here; the others are jsonrpsee's own, and lack our data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum MadeHere {
    Answer,
    /// The answer to notifications.
    Nothing,
}
