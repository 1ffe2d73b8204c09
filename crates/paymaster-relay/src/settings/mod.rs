//! What an operator can set. The doc comments are the configuration reference.

mod amount;
mod check;
mod limits;
mod reservations;

use std::path::PathBuf;

use alloy_primitives::Address;
use proto::EntryPointVersion;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

pub use amount::WeiAmount;
pub(crate) use check::PassphrasePlace;
pub use limits::{AccountSettings, Membership, PolicySettings, Selector, StandingSettings, TargetSettings};
pub use reservations::ReservationSettings;

/// The paymaster relay.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The chain whose operations are sponsored.
    pub chain: ChainSettings,
    /// The paymasters, each with the EntryPoint it serves. The first is used when a request names none.
    pub deployments: Vec<DeploymentSettings>,
    /// The SQLite file that holds sponsorships and, without Redis, the claims of requests.
    #[schemars(with = "String")]
    pub database: PathBuf,
    /// The unix socket of `super-relay api-key`, which only the node's user can open. Unset: `admin.sock` beside the
    /// database.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub admin_socket: Option<PathBuf>,
    /// Seconds a sponsorship is valid for.
    #[serde(default = "defaults::validity_seconds")]
    pub validity_seconds: u64,
    /// Seconds of validity that must be left when the next block is expected: bundlers want 30 to include an operation.
    #[serde(default = "defaults::min_validity_seconds")]
    pub min_validity_seconds: u64,
    /// Seconds from the relay's approval to the end of a window, at most: no more than `maxWindow` of the trusted application
    /// and of the paymaster contract. After so long without a block no window suits both the latest block and the next.
    #[serde(default = "defaults::max_window_seconds")]
    pub max_window_seconds: u64,
    /// The sponsorship policies. The first applies to requests that name none.
    pub policies: Vec<PolicySettings>,
    /// How much of a deposit may be reserved at once, and by whom.
    #[serde(default)]
    pub reservations: ReservationSettings,
    /// Times that one sponsorship is signed at most. The same request again, and a new approval of the same operation, get
    /// the stored answer while its window is long enough; after that the window is renewed, which is another signing.
    #[serde(default = "defaults::max_signings")]
    pub max_signings: u32,
    /// Approvals of one account that the trusted application may refuse within `validity_seconds`, before the account has to
    /// wait: what is refused reserves nothing, so nothing else bounds that work. Counted by each process for itself.
    #[serde(default = "defaults::max_refusals")]
    pub max_refusals: u32,
    /// The accounts whose standing is known.
    #[serde(default)]
    pub accounts: Vec<AccountSettings>,
    /// The standing of every other account. Without it they are refused.
    #[serde(default)]
    pub default_account: Option<StandingSettings>,
    /// The key that signs the relay's approvals.
    pub relay_key: RelayKeySettings,
    /// Keeps the claims of requests in Redis instead of the database.
    #[serde(default)]
    pub redis: Option<RedisSettings>,
    /// The JSON-RPC surface.
    #[serde(default)]
    pub rpc: RpcSettings,
    /// The WebAuthn relying party that passkeys belong to.
    pub rp_id: String,
    /// Who sponsors, as wallets show it (ERC-7677, `sponsor.name`).
    #[serde(default = "defaults::sponsor_name")]
    pub sponsor_name: String,
    /// Seconds between two looks at the chain for operations that were mined.
    #[serde(default = "defaults::settlement_interval_seconds")]
    pub settlement_interval_seconds: u64,
}

/// The chain.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChainSettings {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// JSON-RPC endpoint of a node. Never logged: such addresses often carry a key.
    #[schemars(with = "String")]
    pub rpc_url: SecretString,
    /// Seconds after which the node counts as down.
    #[serde(default = "defaults::chain_timeout_seconds")]
    pub timeout_seconds: u64,
    /// Seconds within which the next block is expected: the interval between blocks.
    #[serde(default = "defaults::block_seconds")]
    pub block_seconds: u64,
    /// Blocks on top of another that make it final. A reservation ends once the block of its operation is final, or a final
    /// block is past its window; settlement reads younger blocks again. With 0 a reorganisation leaves operations unreserved
    /// that may be mined again.
    #[serde(default = "defaults::confirmations")]
    pub confirmations: u64,
}

/// A paymaster and its EntryPoint.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeploymentSettings {
    /// The EntryPoint contract.
    #[schemars(with = "String")]
    pub entry_point: Address,
    /// Its version.
    #[schemars(with = "String", extend("enum" = ["0.6", "0.7", "0.8", "0.9"]))]
    pub version: EntryPointVersion,
    /// The paymaster contract, with a deposit in that EntryPoint.
    #[schemars(with = "String")]
    pub paymaster: Address,
    /// Gas for the paymaster's validation; also the most a client may echo. An operation with tens of thousands of bytes
    /// gets more, as its hashing takes more. Ignored on v0.6.
    #[serde(default = "defaults::paymaster_verification_gas_limit")]
    pub paymaster_verification_gas_limit: u64,
    /// The least gas for the paymaster's validation that a client may echo. Ignored on v0.6.
    #[serde(default = "defaults::min_paymaster_verification_gas_limit")]
    pub min_paymaster_verification_gas_limit: u64,
}

/// The relay's signing key. There is no plain-text form of it on disk.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RelayKeySettings {
    /// The key's file, an encrypted Ethereum keystore (version 3); made at the first start. Of one node alone.
    #[schemars(with = "String")]
    pub file: PathBuf,
    /// The environment variable that holds the passphrase.
    #[serde(default)]
    pub passphrase_env: Option<String>,
    /// The file that holds the passphrase, as secret stores mount it. A trailing line break is left out.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub passphrase_file: Option<PathBuf>,
    /// Seconds after which the key is replaced by a new one; 0 for never.
    #[serde(default = "defaults::rotation_interval_seconds")]
    pub rotation_interval_seconds: u64,
}

/// Redis 7 or later.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedisSettings {
    /// `redis://[user:password@]host:port[/database]`. Never logged.
    #[schemars(with = "String")]
    pub url: SecretString,
    /// Milliseconds after which a claim counts as failed, and the request is refused as retryable.
    #[serde(default = "defaults::redis_timeout_milliseconds")]
    pub timeout_milliseconds: u64,
}

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
    /// Refuses calls without an API key. Keys are made with `super-relay api-key generate`.
    pub require_api_key: bool,
    /// Calls in a minute, and at once, of everybody without an API key together, methods that answer public facts left out;
    /// 0 for any number. Counted by each process for itself. No client address uses more of it than it leaves to the others.
    pub anonymous_calls_per_minute: u32,
    /// SHA-256, in hex, of further API keys: of servers, without limits of their own. With any of them listed a key is
    /// required.
    pub api_key_hashes: Vec<String>,
    /// The origins whose pages may call, as in `https://dapp.example`; `*` for all, `null`, and `chrome-extension://*` for
    /// a whole scheme. Unset: all in the development profile, none in production. Publishable keys have their own.
    pub allowed_origins: Option<Vec<String>>,
    /// The addresses of an ingress, or networks in CIDR notation, as in `10.0.0.0/8`. The client of a request from one of them
    /// is the rightmost address in `X-Forwarded-For` that is not one of them, and has its own part of a rate. List nothing that
    /// passes the header on as it came: clients could choose their address.
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

/// Why settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A list needs at least one entry.
    #[error("{key}: at least one is needed")]
    Empty {
        /// The key.
        key: &'static str,
    },
    /// Two entries share what must be unique.
    #[error("{key}: duplicate {value}")]
    Duplicate {
        /// The key.
        key: &'static str,
        /// What both have.
        value: String,
    },
    /// A value is outside what makes sense.
    #[error("{key}: {problem}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// What is wrong, for people.
        problem: String,
    },
}

mod defaults {
    pub(super) fn validity_seconds() -> u64 {
        600
    }
    pub(super) fn min_validity_seconds() -> u64 {
        60
    }
    pub(super) fn max_window_seconds() -> u64 {
        3600
    }
    pub(super) fn block_seconds() -> u64 {
        12
    }
    pub(super) fn confirmations() -> u64 {
        12
    }
    pub(super) fn max_refusals() -> u32 {
        20
    }
    pub(super) fn max_signings() -> u32 {
        10
    }
    pub(super) fn sponsor_name() -> String {
        "super-relay".to_owned()
    }
    pub(super) fn settlement_interval_seconds() -> u64 {
        4
    }
    pub(super) fn chain_timeout_seconds() -> u64 {
        3
    }
    pub(super) fn paymaster_verification_gas_limit() -> u64 {
        60_000
    }
    pub(super) fn min_paymaster_verification_gas_limit() -> u64 {
        30_000
    }
    pub(super) fn rotation_interval_seconds() -> u64 {
        24 * 60 * 60
    }
    pub(super) fn redis_timeout_milliseconds() -> u64 {
        500
    }
}
