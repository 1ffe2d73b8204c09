//! The chains that are served, and which of them a request means.

use std::fmt;
use std::sync::Arc;

use crate::catalogue::ChainCatalogue;
use crate::chain::{ChainTime, EntryPointReader};
use crate::error::RequestError;
use crate::ports::Clock;

/// A chain: what can be sponsored on it, and what is read of it.
pub struct Chain {
    /// What can be sponsored on it.
    pub catalogue: Arc<ChainCatalogue>,
    /// Its node.
    pub reader: Arc<dyn EntryPointReader>,
    /// Its time beside that of the host.
    pub time: ChainTime,
}

impl Chain {
    /// No block of it was seen yet.
    #[must_use]
    pub fn new(catalogue: Arc<ChainCatalogue>, reader: Arc<dyn EntryPointReader>, clock: Arc<dyn Clock>) -> Self {
        Self { catalogue, reader, time: ChainTime::new(clock) }
    }

    /// EIP-155 chain id.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.catalogue.id
    }

    /// Its id, where the settings list it: what operators are told of it names it then.
    #[must_use]
    pub fn listed_id(&self) -> Option<u64> {
        self.catalogue.is_listed.then_some(self.id())
    }

    /// What it is called in the log.
    pub(crate) fn name(&self) -> String {
        self.listed_id().map_or_else(|| "the chain".to_owned(), |id| format!("chain {id}"))
    }

    /// What work on it is called in the log.
    pub(crate) fn work(&self, what: &str) -> String {
        self.listed_id().map_or_else(|| what.to_owned(), |id| format!("{what} of chain {id}"))
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// Every chain that is served.
#[derive(Debug)]
pub struct Chains(Vec<Arc<Chain>>);

impl Chains {
    /// In the order of the settings.
    #[must_use]
    pub fn new(chains: impl IntoIterator<Item = Chain>) -> Self {
        Self(chains.into_iter().map(Arc::new).collect())
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Chain>> {
        self.0.iter()
    }

    /// Their ids.
    #[must_use]
    pub fn ids(&self) -> Vec<u64> {
        self.iter().map(|chain| chain.id()).collect()
    }

    /// The chain of that id.
    pub(crate) fn find(&self, id: u128) -> Option<&Arc<Chain>> {
        self.iter().find(|chain| u128::from(chain.id()) == id)
    }

    /// The chain that a call means: that of the path it came by, or the one it names; the only one
    /// where neither says. None is assumed where there are several.
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
