//! Who calls: nobody in particular, or the holder of an API key.

mod key;

use std::sync::Arc;

pub use key::{ApiKey, ApiKeyId, KeyKind, Scope};

/// The caller of a request, as far as the edge could tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Caller {
    /// No API key was presented, and none is required.
    #[default]
    Anonymous,
    /// The holder of this key.
    Key(Arc<ApiKey>),
}

impl Caller {
    /// The id of the caller's key.
    #[must_use]
    pub fn key_id(&self) -> Option<&ApiKeyId> {
        self.key().map(|key| &key.id)
    }

    /// The caller's key.
    #[must_use]
    pub fn key(&self) -> Option<&ApiKey> {
        match self {
            Self::Anonymous => None,
            Self::Key(key) => Some(key),
        }
    }
}
