//! The chains that are served, and the choice of one for a request.

use std::fmt;
use std::sync::Arc;

use crate::bundler::Bundlers;
use crate::catalogue::ChainCatalogue;
use crate::chain::{ChainTime, EntryPointReader, Price};
use crate::error::RequestError;
use crate::ports::Clock;

/// A chain: its configuration, its node, its time, and its bundlers.
pub struct Chain {
    /// Its configuration.
    pub catalogue: Arc<ChainCatalogue>,
    /// Its node.
    pub reader: Arc<dyn EntryPointReader>,
    /// Its time, compared with the host's.
    pub time: ChainTime,
    /// Its bundlers, if the settings list any.
    pub bundlers: Option<Bundlers>,
    /// The price of its coin, if the settings have one.
    pub price: Option<Price>,
}

impl Chain {
    /// Creates it without any block seen.
    #[must_use]
    pub fn new(catalogue: Arc<ChainCatalogue>, reader: Arc<dyn EntryPointReader>, clock: Arc<dyn Clock>) -> Self {
        let price = catalogue.price.map(|source| Price::new(source, Arc::clone(&reader), Arc::clone(&clock)));
        Self { catalogue, reader, time: ChainTime::new(clock), bundlers: None, price }
    }

    /// The same with these bundlers.
    #[must_use]
    pub fn with_bundlers(self, bundlers: Option<Bundlers>) -> Self {
        Self { bundlers, ..self }
    }

    /// EIP-155 chain id.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.catalogue.id
    }

    /// Its id if the settings list several chains: messages to operators then name it.
    #[must_use]
    pub fn listed_id(&self) -> Option<u64> {
        self.catalogue.is_listed.then_some(self.id())
    }

    /// Its name in the log.
    pub(crate) fn name(&self) -> String {
        self.listed_id().map_or_else(|| "the chain".to_owned(), |id| format!("chain {id}"))
    }

    /// The name of work on it in the log.
    pub(crate) fn work(&self, what: &str) -> String {
        self.listed_id().map_or_else(|| what.to_owned(), |id| format!("{what} of chain {id}"))
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// Every served chain.
#[derive(Debug)]
pub struct Chains(Vec<Arc<Chain>>);

impl Chains {
    /// In the order of the settings.
    #[must_use]
    pub fn new(chains: impl IntoIterator<Item = Chain>) -> Self {
        Self(chains.into_iter().map(Arc::new).collect())
    }

    /// Iterates over them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Chain>> {
        self.0.iter()
    }

    /// Their ids.
    #[must_use]
    pub fn ids(&self) -> Vec<u64> {
        self.iter().map(|chain| chain.id()).collect()
    }

    /// The chain with that id.
    pub(crate) fn find(&self, id: u128) -> Option<&Arc<Chain>> {
        self.iter().find(|chain| u128::from(chain.id()) == id)
    }

    /// The chain of a call: the one of its path, or the one it names; if neither is given, the only
    /// chain. With several chains there is no default.
    ///
    /// # Errors
    /// [`RequestError::WrongChain`], [`RequestError::ChainMismatch`],
    /// [`RequestError::ChainMissing`].
    pub(crate) fn meant<'a>(
        &'a self,
        path: Option<&'a Arc<Chain>>,
        named: Option<u128>,
    ) -> Result<&'a Arc<Chain>, RequestError> {
        let known = |id| self.find(id).ok_or_else(|| RequestError::WrongChain { given: id, supported: self.ids() });
        match (path, named.map(known).transpose()?) {
            (Some(path), Some(named)) if path.id() != named.id() => {
                Err(RequestError::ChainMismatch { path: path.id(), named: named.id() })
            }
            (Some(chain), _) | (None, Some(chain)) => Ok(chain),
            (None, None) => match &self.0[..] {
                [only] => Ok(only),
                _ => Err(RequestError::ChainMissing { supported: self.ids() }),
            },
        }
    }
}
