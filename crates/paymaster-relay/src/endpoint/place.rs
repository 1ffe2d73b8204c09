//! An endpoint as named by its settings, for messages to operators. Never its URL, which may
//! contain a key.

use alloy_provider::transport::{RpcError, TransportErrorKind, TransportResult};
use bounded_http::{NotJsonRpc, exceeded, is_failure, unsent};
use proto::json::Excerpt;
use reqwest::StatusCode;
use tokio::time::error::Elapsed;

use crate::settings::{BundlerKeys, ChainSettings};

/// The names of an endpoint and of its settings.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// In the log of outages.
    log: String,
    /// "the node", with the key of its URL.
    endpoint: String,
    url: String,
    timeout: String,
}

impl Place {
    /// The node of a chain.
    pub(crate) fn node(chain: &ChainSettings) -> Self {
        let (log, key) = match chain.is_listed {
            false => ("the chain".to_owned(), "relay.chain".to_owned()),
            true => (format!("chain {}", chain.chain_id), "relay.chains".to_owned()),
        };
        let url = named(chain, &format!("{key}.rpc_url"));
        let timeout = named(chain, &format!("{key}.timeout_seconds"));
        Self { log, endpoint: format!("the node at {url}"), url, timeout }
    }

    /// A bundler of a chain: its number among several, counted from 1.
    pub(crate) fn bundler(chain: &ChainSettings, keys: &BundlerKeys, number: Option<usize>) -> Self {
        let number = number.map(|number| format!(" (number {number})")).unwrap_or_default();
        let url = format!("{}{number}", named(chain, &format!("relay.{}", keys.urls)));
        let timeout = named(chain, &format!("relay.{}", keys.timeout_seconds));
        Self { log: format!("the bundler at {url}"), endpoint: format!("the bundler at {url}"), url, timeout }
    }

    /// Its name in the log of outages.
    pub(crate) fn log(&self) -> &str {
        &self.log
    }

    /// Its name in a sentence.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) fn no_answer(&self) -> String {
        format!("{} did not answer in time ({})", self.endpoint, self.timeout)
    }

    pub(crate) fn no_batch(&self) -> String {
        format!(
            "{} leaves calls of a JSON-RPC batch unanswered, and every sponsorship uses one: use a node that supports batches",
            self.endpoint
        )
    }

    pub(crate) fn not_reached(&self, kind: &TransportErrorKind) -> String {
        let why = unsent(kind).map(|why| format!(": {why}")).unwrap_or_default();
        format!("{} cannot be reached{why}", self.endpoint)
    }

    pub(crate) fn not_json_rpc(&self) -> String {
        format!("the answer of {} is not JSON-RPC", self.url)
    }

    pub(crate) fn refused(&self, code: i64, message: &str) -> String {
        format!("{} answered {code}: {}", self.endpoint, Excerpt(message))
    }

    pub(crate) fn http_status(&self, status: u16) -> String {
        format!("{} answered HTTP status {status}", self.endpoint)
    }

    /// `None` if the endpoint answered, even with an error or too long an answer. A server error
    /// status is not an answer, nor is anything that is not JSON-RPC.
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

/// A key, with the chain if there are several.
fn named(chain: &ChainSettings, key: &str) -> String {
    if chain.is_listed { format!("{key} of chain {}", chain.chain_id) } else { key.to_owned() }
}

/// Whether the answer is not JSON-RPC.
pub(crate) fn is_nonsense(kind: &TransportErrorKind) -> bool {
    matches!(kind.as_custom(), Some(error) if error.is::<NotJsonRpc>())
}
