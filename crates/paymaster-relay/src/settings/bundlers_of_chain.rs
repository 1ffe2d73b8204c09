//! The bundlers of one chain, wherever the settings have them.

use secrecy::ExposeSecret;
use url::Url;

use super::bundler::BundlerSettings;
use super::chain::ChainSettings;
use super::error::SettingsError;
use super::http_url::http_url;

/// With the default of `timeout_seconds` all of them together take half of the time for a request.
const MOST_BUNDLERS: usize = 8;

/// The bundlers of a chain, and where the settings have them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BundlersOfChain<'a> {
    pub(crate) chain: &'a ChainSettings,
    pub(crate) settings: &'a BundlerSettings,
    pub(crate) keys: &'static BundlerKeys,
}

/// The keys of [`BundlerSettings`].
#[derive(Debug)]
pub(crate) struct BundlerKeys {
    pub(crate) urls: &'static str,
    pub(crate) timeout_seconds: &'static str,
}

/// Those of the only chain.
pub(super) static OF_ONE: BundlerKeys =
    BundlerKeys { urls: "bundler.urls", timeout_seconds: "bundler.timeout_seconds" };
/// Those of one of several chains.
pub(super) static OF_LIST: BundlerKeys =
    BundlerKeys { urls: "chains.bundler.urls", timeout_seconds: "chains.bundler.timeout_seconds" };

impl BundlersOfChain<'_> {
    /// The URLs, in order of preference.
    pub(crate) fn urls(&self) -> Result<Vec<Url>, SettingsError> {
        let (urls, key) = (&self.settings.urls, self.keys.urls);
        let invalid = |problem: String| self.chain.invalid([key, key], &problem);
        if urls.is_empty() {
            return Err(invalid("at least one is needed".to_owned()));
        }
        if urls.len() > MOST_BUNDLERS {
            return Err(invalid(format!("{} are listed, and at most {MOST_BUNDLERS} may be", urls.len())));
        }
        let parsed = urls.iter().zip(1..).map(|(url, number)| {
            http_url(url.expose_secret()).map_err(|problem| match urls.len() {
                1 => invalid(problem.to_owned()),
                _ => invalid(format!("number {number}: {problem}")),
            })
        });
        parsed.collect()
    }

    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        if self.settings.timeout_seconds == 0 {
            let key = self.keys.timeout_seconds;
            return Err(self.chain.invalid([key, key], "must be above 0"));
        }
        self.urls().map(drop)
    }
}
