//! The configuration: one tree, made of the settings of each part, read from file, environment and
//! flags.

mod check;
mod connections;
mod error;
mod load;
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

/// Everything super-relay can be told.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `production` refuses what is only good for development: the simulator, a bootstrap key, an
    /// RPC without authentication.
    pub profile: Profile,
    /// Where the servers listen.
    pub listen: Listen,
    /// Limits of the servers, so that no client keeps others out.
    pub connections: Connections,
    /// How a process ends.
    pub shutdown: Shutdown,
    /// Logging.
    pub log: Log,
    /// The relay; `node` needs it.
    pub relay: Option<paymaster_relay::Settings>,
    /// The KMS gateway that runs in this process; `kms` needs it, and `node` unless
    /// `remote_kms.urls` names others.
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
    /// Host names with a dot that may stand in `Host` (without port) for /status and /metrics.
    /// Other such names are refused, since a page could have one resolve to this port (DNS
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

/// How a process ends.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Shutdown {
    /// Seconds after SIGTERM in which connections are still accepted while `/readyz` answers 503:
    /// longer than the load balancer takes to notice. SIGINT skips them.
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
    /// Directives of tracing-subscriber, as in `info,paymaster_relay=debug`. Below it is
    /// `jsonrpsee-server=error`.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".into() }
    }
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

/// Remote KMS gateways.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RemoteKms {
    /// Base URLs of gateways over the same TEE: `/status` and `config check` name those that are
    /// not. The one that answered last is asked first; when it fails the others are, in order.
    /// Empty: the KMS runs in this process.
    #[schemars(with = "Vec<String>")]
    pub urls: Vec<Url>,
    /// Seconds after which a gateway counts as down and the next one is asked. A gateway waits for
    /// its TEE meanwhile.
    #[schemars(range(min = 1))]
    pub timeout_seconds: u64,
}

impl Default for RemoteKms {
    fn default() -> Self {
        Self { urls: Vec::new(), timeout_seconds: 3 }
    }
}

/// What a new TEE is told at its first start.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// The admin's secp256k1 key, 32 bytes in hex; made with mode 0600 if the file is not there.
    pub admin_key_file: PathBuf,
    /// The paymasters, for a KMS without a relay; a node uses those of its relay.
    #[serde(default)]
    pub deployments: Vec<BootstrapDeployment>,
    /// Relay keys to authorise besides that of this node.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub relay_signers: Vec<Address>,
    /// Whether relay keys may have operations sponsored that no passkey approved. Without it: where
    /// a policy of this node has `allow_without_passkey`.
    #[serde(default)]
    pub sponsor_without_passkey: Option<bool>,
    /// Wei: the most one operation may cost, whatever the relay says.
    #[serde(default = "Bootstrap::default_max_cost")]
    pub max_cost_wei: WeiAmount,
    /// Seconds from the relay's timestamp to the end of a sponsorship, at most.
    #[serde(default = "Bootstrap::default_max_window")]
    pub max_window_seconds: u32,
    /// Accounts that the TEE makes, at most; 0 for none.
    #[serde(default = "Bootstrap::default_max_accounts")]
    pub max_accounts: u32,
}

impl Bootstrap {
    /// The same for a node with those policies.
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

/// A paymaster the TEE may sign for.
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
