//! The operator's settings. The doc comments become the configuration reference.

mod amount;
mod bundler;
mod bundlers_of_chain;
mod chain;
mod deployment;
mod error;
mod functions;
mod gas;
mod http_url;
mod ledger;
mod limits;
mod page;
mod price;
mod redis;
mod relay_key;
mod reservations;
mod rpc;
mod spend_limit;
mod utc_time;
mod webhook;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

pub use amount::WeiAmount;
pub use bundler::BundlerSettings;
pub(crate) use bundlers_of_chain::{BundlerKeys, BundlersOfChain};
pub use chain::ChainSettings;
pub use deployment::DeploymentSettings;
pub use error::SettingsError;
pub use functions::{ArgumentValue, ConditionSettings, FunctionSettings};
pub use gas::GasAmount;
pub use ledger::LedgerSettings;
pub use limits::{
    AccountCodeSettings, AccountSettings, Membership, PolicySettings, Selector, StandingSettings, TargetSettings,
};
pub use page::PageSettings;
pub use price::{PriceSettings, PriceSource, UsdAmount};
pub use redis::RedisSettings;
pub(crate) use relay_key::PassphrasePlace;
pub use relay_key::RelayKeySettings;
pub use reservations::ReservationSettings;
pub use rpc::RpcSettings;
pub use spend_limit::{Per, SpendLimitSettings, Window};
pub use utc_time::UtcTime;
pub(crate) use webhook::SecretPlace;
pub use webhook::{OnError, SecretSettings, WebhookSettings};

/// The paymaster relay.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The chain whose operations are sponsored. For several: `chains`.
    #[serde(default)]
    pub chain: Option<ChainSettings>,
    /// Several chains, instead of `chain`. Requests name theirs: by the path `/rpc/<chain id>`, or
    /// by `chainId`.
    #[serde(default, deserialize_with = "chain::listed")]
    pub chains: Vec<ChainSettings>,
    /// The bundlers of the only chain, to which ERC-4337's own methods (`eth_sendUserOperation` and
    /// others) are passed on. Without them these methods are refused. Of several chains, each has
    /// its own: `chains.bundler`.
    #[serde(default)]
    pub bundler: Option<BundlerSettings>,
    /// The paymasters, each with its EntryPoint. The first one of a chain is used if a request
    /// names none.
    pub deployments: Vec<DeploymentSettings>,
    /// The SQLite file for sponsorships and API keys.
    #[schemars(with = "String")]
    pub database: PathBuf,
    /// The unix socket of `super-relay api-key`, `policy`, `ledger` and `usage`, which only the
    /// node's user can open. Unset: `admin.sock` beside the database.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub admin_socket: Option<PathBuf>,
    /// Seconds a sponsorship is valid for.
    #[serde(default = "defaults::validity_seconds")]
    pub validity_seconds: u64,
    /// Seconds of validity that must be left when the next block is expected: bundlers require 30
    /// to include an operation.
    #[serde(default = "defaults::min_validity_seconds")]
    pub min_validity_seconds: u64,
    /// Maximum number of seconds from the relay's approval to the end of a window: at most the
    /// `maxWindow` of the trusted application and of the paymaster contract. After this time
    /// without a block no window covers both the latest block and the next one.
    #[serde(default = "defaults::max_window_seconds")]
    pub max_window_seconds: u64,
    /// The sponsorship policies. The first one of a chain applies to requests that name none. They
    /// can be changed while the node runs (`super-relay policy`): what was changed there stays, a
    /// start applies other changes of the file.
    pub policies: Vec<PolicySettings>,
    /// The webhooks that policies can name.
    #[serde(default)]
    pub webhooks: Vec<WebhookSettings>,
    /// How much of a deposit may be reserved at once, and by whom.
    #[serde(default)]
    pub reservations: ReservationSettings,
    /// Maximum number of signings of one sponsorship. The same request again, and a new approval of
    /// the same operation, get the stored answer while its window is long enough; after that the
    /// window is renewed, which is another signing.
    #[serde(default = "defaults::max_signings")]
    pub max_signings: u32,
    /// Number of approvals of one account that the trusted application may refuse within
    /// `validity_seconds` before the account has to wait: a refused approval reserves nothing, so
    /// nothing else limits this work. Counted per process.
    #[serde(default = "defaults::max_refusals")]
    pub max_refusals: u32,
    /// The accounts with a known standing.
    #[serde(default)]
    pub accounts: Vec<AccountSettings>,
    /// The standing of every other account. Without it these are refused.
    #[serde(default)]
    pub default_account: Option<StandingSettings>,
    /// The key that signs the relay's approvals.
    pub relay_key: RelayKeySettings,
    /// Claims requests in Redis before they are reserved in the database.
    #[serde(default)]
    pub redis: Option<RedisSettings>,
    /// The JSON-RPC surface.
    #[serde(default)]
    pub rpc: RpcSettings,
    /// The page at the JSON-RPC port, which registers a passkey and sends a sponsored operation.
    #[serde(default)]
    pub page: PageSettings,
    /// The WebAuthn relying party that passkeys belong to.
    pub rp_id: String,
    /// The sponsor's name, as shown by wallets (ERC-7677, `sponsor.name`).
    #[serde(default = "defaults::sponsor_name")]
    pub sponsor_name: String,
    /// Whether `/status` and `super-relay config check` report a TEE without allowances as a
    /// problem. Unset: in the production profile only. `false` accepts there that what a stolen
    /// relay key has signed is bounded by the paymasters' deposits only.
    #[serde(default)]
    pub require_allowances: Option<bool>,
    /// Whether a policy with `targets` has to know the code of accounts, unless it lists `senders`:
    /// in the production profile, of policies in the file and in the database.
    #[serde(skip)]
    pub requires_known_code: bool,
    /// Seconds between two searches of the chain for mined operations.
    #[serde(default = "defaults::settlement_interval_seconds")]
    pub settlement_interval_seconds: u64,
    /// The ledger of sponsorships: how long rows are kept, and how often they are compared with the
    /// chain.
    #[serde(default)]
    pub ledger: LedgerSettings,
}

impl Settings {
    /// Every chain.
    #[must_use]
    pub fn all_chains(&self) -> &[ChainSettings] {
        self.chain.as_ref().map_or(&self.chains, std::slice::from_ref)
    }

    /// The id of every chain.
    #[must_use]
    pub fn chain_ids(&self) -> Vec<u64> {
        self.all_chains().iter().map(|chain| chain.chain_id).collect()
    }

    /// The chain of a deployment: the only one if it names none. `None` if it has to name one.
    #[must_use]
    pub fn chain_of(&self, deployment: &DeploymentSettings) -> Option<u64> {
        match (deployment.chain_id, self.all_chains()) {
            (Some(chain_id), _) => Some(chain_id),
            (None, [only]) => Some(only.chain_id),
            (None, _) => None,
        }
    }

    /// The bundlers of a chain.
    pub(crate) fn bundlers_of<'a>(&'a self, chain: &'a ChainSettings) -> Option<BundlersOfChain<'a>> {
        let (settings, keys) = match chain.is_listed {
            false => (&self.bundler, &bundlers_of_chain::OF_ONE),
            true => (&chain.bundler, &bundlers_of_chain::OF_LIST),
        };
        settings.as_ref().map(|settings| BundlersOfChain { chain, settings, keys })
    }

    /// The path of the admin socket.
    #[must_use]
    pub fn admin_socket(&self) -> PathBuf {
        self.admin_socket.clone().unwrap_or_else(|| self.database.with_file_name("admin.sock"))
    }
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
}
