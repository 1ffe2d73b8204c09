//! The configuration: one tree, composed of the settings of each part, read from file, environment
//! and flags.

mod check;
mod connections;
mod error;
mod load;
mod paths;
mod production;
mod redacted;
pub mod reference;
mod unknown;
mod variables;

pub use check::KmsOfNode;
pub use connections::Connections;
pub use error::ConfigError;
pub use load::Sources;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use paymaster_relay::settings::{PolicySettings, WeiAmount};
use proto::{Address, EntryPointVersion};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// The configuration of super-relay.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `production` refuses settings that are only suitable for development: the simulator, a
    /// bootstrap key, an RPC without authentication.
    pub profile: Profile,
    /// Where the servers listen.
    pub listen: Listen,
    /// Limits of the servers, so that no client can block others.
    pub connections: Connections,
    /// How a process stops.
    pub shutdown: Shutdown,
    /// Logging.
    pub log: Log,
    /// The relay; required by `node`.
    pub relay: Option<paymaster_relay::Settings>,
    /// The KMS gateway that runs in this process; required by `kms`, and by `node` unless
    /// `remote_kms.urls` is set.
    pub kms: Option<kms_gateway::Settings>,
    /// Remote KMS gateways.
    pub remote_kms: RemoteKms,
    /// Provisions the TEE at the first start. For development: in production the admin's key is not
    /// on this machine.
    pub bootstrap: Option<Bootstrap>,
}

/// How strict to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Everything may be started.
    #[default]
    Development,
    /// Anything that protects nothing is refused.
    Production,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Development => "development",
            Self::Production => "production",
        })
    }
}

/// Socket addresses; port 0 picks a free one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// JSON-RPC over HTTP and WebSocket.
    #[schemars(with = "String")]
    pub rpc: SocketAddr,
    /// /livez, /readyz, /status and /metrics.
    #[schemars(with = "String")]
    pub ops: SocketAddr,
    /// Host names with a dot that are accepted in `Host` (without port) for /status and /metrics.
    /// Other such names are refused, because a page could make one resolve to this port (DNS
    /// rebinding); IP addresses and names without a dot are always accepted.
    pub ops_hosts: Vec<String>,
    /// The HTTP API of the KMS.
    #[schemars(with = "String")]
    pub kms: SocketAddr,
}

impl Default for Listen {
    fn default() -> Self {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self { rpc: local(3000), ops: local(3001), ops_hosts: Vec::new(), kms: local(3002) }
    }
}

/// How a process stops.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Shutdown {
    /// Seconds after SIGTERM during which connections are still accepted while `/readyz` answers
    /// 503: longer than the load balancer takes to notice. SIGINT skips this.
    pub drain_seconds: u64,
    /// Seconds that requests in flight have to finish, once no more connections are accepted; then
    /// they are dropped.
    pub finish_seconds: u64,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { drain_seconds: 5, finish_seconds: 20 }
    }
}

/// Logging.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `text` or `json`.
    pub format: LogFormat,
    /// Directives of tracing-subscriber, as in `info,paymaster_relay=debug`. They are applied on
    /// top of `jsonrpsee-server=error`.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".into() }
    }
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object per line.
    Json,
}

/// Remote KMS gateways.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RemoteKms {
    /// Base URLs of gateways in front of the same TEE: `/status` and `config check` name those in
    /// front of another. The gateway that answered last is called first; if it fails, the others
    /// are called in order. Empty: the KMS runs in this process.
    #[schemars(with = "Vec<String>")]
    pub urls: Vec<Url>,
    /// Seconds after which a gateway counts as down and the next one is called. The gateway may
    /// wait for its TEE during this time.
    #[schemars(range(min = 1))]
    pub timeout_seconds: u64,
}

impl Default for RemoteKms {
    fn default() -> Self {
        Self { urls: Vec::new(), timeout_seconds: 3 }
    }
}

/// The setup of a new TEE at its first start.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// The admin's secp256k1 key, 32 bytes in hex; created with mode 0600 if the file does not
    /// exist.
    pub admin_key_file: PathBuf,
    /// The paymasters, for a KMS without a relay; a node uses those of its relay.
    #[serde(default)]
    pub deployments: Vec<BootstrapDeployment>,
    /// Relay keys to authorise besides the key of this node.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub relay_signers: Vec<Address>,
    /// Whether relay keys may request sponsorships that no passkey approved. Default: true if a
    /// policy of this node has `allow_without_passkey`.
    #[serde(default)]
    pub sponsor_without_passkey: Option<bool>,
    /// Wei: the most one operation may cost, whatever the relay says.
    #[serde(default = "Bootstrap::default_max_cost")]
    pub max_cost_wei: WeiAmount,
    /// Maximum seconds from the relay's timestamp to the end of a sponsorship.
    #[serde(default = "Bootstrap::default_max_window")]
    pub max_window_seconds: u32,
    /// Maximum number of accounts that the TEE creates; 0 for none.
    #[serde(default = "Bootstrap::default_max_accounts")]
    pub max_accounts: u32,
}

impl Bootstrap {
    /// The same settings for a node with those policies.
    pub fn beside(&self, policies: &[PolicySettings]) -> Self {
        let wanted = policies.iter().any(|policy| policy.allow_without_passkey);
        Self { sponsor_without_passkey: self.sponsor_without_passkey.or(Some(wanted)), ..self.clone() }
    }

    const fn default_max_cost() -> WeiAmount {
        WeiAmount(100_000_000_000_000_000)
    }

    const fn default_max_accounts() -> u32 {
        10_000
    }

    const fn default_max_window() -> u32 {
        3600
    }
}

/// A paymaster that the TEE may sign for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BootstrapDeployment {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The EntryPoint contract.
    #[schemars(with = "String")]
    pub entry_point: Address,
    /// Its version.
    #[schemars(with = "String", extend("enum" = ["0.6", "0.7", "0.8", "0.9"]))]
    pub version: EntryPointVersion,
    /// The paymaster contract.
    #[schemars(with = "String")]
    pub paymaster: Address,
}
