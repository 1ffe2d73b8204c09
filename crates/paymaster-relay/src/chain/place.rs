//! A node as named by its settings, for messages to operators.

use alloy_provider::transport::{RpcError, TransportErrorKind, TransportResult};
use bounded_http::{NotJsonRpc, exceeded, is_failure, unsent};
use reqwest::StatusCode;
use tokio::time::error::Elapsed;

use crate::settings::ChainSettings;

/// The node.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// `None` for the node of the only chain.
    chain_id: Option<u64>,
}

impl Place {
    pub(super) fn of(settings: &ChainSettings) -> Self {
        Self { chain_id: settings.is_listed.then_some(settings.chain_id) }
    }

    /// The chain's name in the log.
    pub(super) fn chain(&self) -> String {
        self.chain_id.map_or_else(|| "the chain".to_owned(), |chain_id| format!("chain {chain_id}"))
    }

    fn key(&self, name: &str) -> String {
        match self.chain_id {
            None => format!("relay.chain.{name}"),
            Some(chain_id) => format!("relay.chains.{name} of chain {chain_id}"),
        }
    }

    fn node(&self) -> String {
        format!("the node at {}", self.key("rpc_url"))
    }

    pub(super) fn no_answer(&self) -> String {
        format!("{} did not answer in time ({})", self.node(), self.key("timeout_seconds"))
    }

    pub(super) fn no_batch(&self) -> String {
        format!(
            "{} leaves calls of a JSON-RPC batch unanswered, and every sponsorship uses one: use a node that supports batches",
            self.node()
        )
    }

    pub(super) fn not_reached(&self, kind: &TransportErrorKind) -> String {
        let why = unsent(kind).map(|why| format!(": {why}")).unwrap_or_default();
        format!("{} cannot be reached{why}", self.node())
    }

    pub(super) fn not_json_rpc(&self) -> String {
        format!("the answer of {} is not JSON-RPC", self.key("rpc_url"))
    }

    pub(super) fn http_status(&self, status: u16) -> String {
        format!("{} answered HTTP status {status}", self.node())
    }

    /// `None` if the node answered, even with an error or too long an answer. A server error status
    /// is not an answer, nor is anything that is not JSON-RPC.
    pub(super) fn why_unanswered<T>(&self, outcome: &Result<TransportResult<T>, Elapsed>) -> Option<String> {
        let kind = match outcome {
            Err(_) => return Some(self.no_answer()),
            Ok(Err(RpcError::Transport(kind))) => kind,
            Ok(_) => return None,
        };
        if let Some(http) = kind.as_http_error() {
            let is_failure = StatusCode::from_u16(http.status).map_or(true, is_failure);
            return is_failure.then(|| self.http_status(http.status));
        }
        if exceeded(kind).is_some() {
            return None;
        }
        Some(if is_nonsense(kind) { self.not_json_rpc() } else { self.not_reached(kind) })
    }
}

/// Whether the answer is not JSON-RPC.
pub(super) fn is_nonsense(kind: &TransportErrorKind) -> bool {
    matches!(kind.as_custom(), Some(error) if error.is::<NotJsonRpc>())
}
