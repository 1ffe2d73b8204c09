//! The JSON-RPC surface, as an operator writes it.

use schemars::JsonSchema;
use serde::Deserialize;

/// The JSON-RPC surface.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RpcSettings {
    /// Bytes of the largest request.
    pub max_body_bytes: u32,
    /// Connections at once, HTTP and WebSocket together.
    pub max_connections: u32,
    /// Calls in one batch.
    pub max_batch: u32,
    /// Refuses calls without an API key. Keys are created with `super-relay api-key generate`.
    pub require_api_key: bool,
    /// Calls in a minute, and the size of a burst, of all callers without an API key together, not
    /// counting methods that answer short public facts; 0 for unlimited. Counted by each process.
    /// One client address may use at most as much of it as it leaves to the others.
    pub anonymous_calls_per_minute: u32,
    /// SHA-256, in hex, of further API keys: of servers, without limits of their own. With any of
    /// them listed a key is required.
    pub api_key_hashes: Vec<String>,
    /// The origins whose pages may call, as in `https://dapp.example`; `*` for all, `null`, and
    /// `chrome-extension://*` for a whole scheme. Unset: all in the development profile, none in
    /// production. Publishable keys have their own.
    pub allowed_origins: Option<Vec<String>>,
    /// The addresses of an ingress, or networks in CIDR notation, as in `10.0.0.0/8`. The client of
    /// a request from one of them is the rightmost address in `X-Forwarded-For` that is not one of
    /// them, and has its own part of a rate. List nothing that passes the header on as it came:
    /// clients could choose their address.
    pub trusted_proxies: Vec<String>,
}

impl Default for RpcSettings {
    fn default() -> Self {
        Self {
            max_body_bytes: 256 * 1024,
            max_connections: 1024,
            max_batch: 100,
            require_api_key: false,
            anonymous_calls_per_minute: 6000,
            api_key_hashes: Vec::new(),
            allowed_origins: None,
            trusted_proxies: Vec::new(),
        }
    }
}
