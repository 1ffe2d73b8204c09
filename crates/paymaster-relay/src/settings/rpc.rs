//! Settings of the JSON-RPC surface.

use schemars::JsonSchema;
use serde::Deserialize;

/// The JSON-RPC surface.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RpcSettings {
    /// Maximum size of a request in bytes.
    pub max_body_bytes: u32,
    /// Maximum number of connections, HTTP and WebSocket together.
    pub max_connections: u32,
    /// Maximum number of calls in one batch.
    pub max_batch: u32,
    /// Refuses calls without an API key. Keys are created with `super-relay api-key generate`.
    pub require_api_key: bool,
    /// Calls per minute, and the size of a burst, of all callers without an API key together, not
    /// counting methods that return short public facts; 0 for unlimited. Counted per process. One
    /// client address may use at most as much of it as it leaves to the others.
    pub anonymous_calls_per_minute: u32,
    /// SHA-256, in hex, of further API keys: of servers, without limits of their own. If any are
    /// listed, a key is required.
    pub api_key_hashes: Vec<String>,
    /// The origins whose pages may call, for example `https://dapp.example`; `*` for all, `null`,
    /// and `chrome-extension://*` for a whole scheme. Unset: all in the development profile, none
    /// in production. Publishable keys have their own.
    pub allowed_origins: Option<Vec<String>>,
    /// The addresses of an ingress, or networks in CIDR notation, as in `10.0.0.0/8`. The client of
    /// a request from one of them is the rightmost address in `X-Forwarded-For` that is not one of
    /// them; it gets its own share of a rate. Do not list a proxy that passes the header on
    /// unchanged: clients could then choose their address.
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
