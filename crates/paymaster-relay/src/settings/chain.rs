//! Settings of chains and their nodes.

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use url::Url;

use super::bundler::BundlerSettings;
use super::error::SettingsError;
use super::http_url::http_url;
use super::price::{PriceSettings, PriceSource};

/// A chain.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChainSettings {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Whether it is one of `chains`: messages about it then name it.
    #[serde(skip)]
    pub(crate) is_listed: bool,
    /// JSON-RPC endpoint of a node. Never logged: such URLs often contain a key.
    #[schemars(with = "String")]
    pub rpc_url: SecretString,
    /// Seconds without an answer after which the node counts as down.
    #[serde(default = "timeout_seconds")]
    pub timeout_seconds: u64,
    /// Seconds within which the next block is expected: the interval between blocks.
    #[serde(default = "block_seconds")]
    pub block_seconds: u64,
    /// Blocks on top of another that make it final. A reservation ends once the block of its
    /// operation is final, or a final block is past its window; settlement rereads younger blocks.
    /// With 0, a reorganisation may leave operations unreserved that can be mined again. These
    /// blocks must take longer than the log index of the node, or of its slowest backend, lags
    /// behind its latest block.
    #[serde(default = "confirmations")]
    pub confirmations: u64,
    /// Bundlers, if it is one of `chains`; those of the only chain are `relay.bundler`.
    #[serde(default)]
    pub bundler: Option<BundlerSettings>,
    /// The price of its coin, for policies with limits in US dollars.
    #[serde(default)]
    pub price: Option<PriceSettings>,
}

impl ChainSettings {
    /// An error in one of its keys.
    pub(crate) fn invalid(&self, [of_one, of_list]: [&'static str; 2], problem: &str) -> SettingsError {
        match self.is_listed {
            false => SettingsError::Invalid { key: of_one, problem: problem.to_owned() },
            true => SettingsError::Invalid { key: of_list, problem: format!("chain {}: {problem}", self.chain_id) },
        }
    }

    /// The source of the price of its coin, if it has one.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`].
    pub(crate) fn price_source(&self) -> Result<Option<PriceSource>, SettingsError> {
        let invalid = |problem| self.invalid(["chain.price", "chains.price"], problem);
        self.price.as_ref().map(PriceSettings::source).transpose().map_err(invalid)
    }

    pub(crate) fn url(&self) -> Result<Url, SettingsError> {
        let invalid = |problem| self.invalid(["chain.rpc_url", "chains.rpc_url"], problem);
        http_url(self.rpc_url.expose_secret()).map_err(invalid)
    }
}

/// The chains of a list.
pub(super) fn listed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ChainSettings>, D::Error> {
    let mut chains = Vec::<ChainSettings>::deserialize(deserializer)?;
    chains.iter_mut().for_each(|chain| chain.is_listed = true);
    Ok(chains)
}

fn timeout_seconds() -> u64 {
    3
}

fn block_seconds() -> u64 {
    12
}

fn confirmations() -> u64 {
    12
}
