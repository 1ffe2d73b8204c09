//! The principal behind a request.

use std::fmt;

use proto::AccountId;

use crate::clients::ApiKeyId;

/// The principal behind a request. Intents of different principals are separate; for idempotency
/// keys see [`KeySpace`](crate::store::KeySpace).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// The account, proven by its passkey.
    Account(AccountId),
    /// The holder of an API key, whatever account it names.
    ApiKey(ApiKeyId),
    /// Neither a passkey nor an API key.
    Anonymous,
}

impl Principal {
    /// Whether a passkey proved the account.
    #[must_use]
    pub const fn is_proven(&self) -> bool {
        matches!(self, Self::Account(_))
    }
}

/// As stored in the column `principal`.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account_id) => write!(f, "account:{account_id}"),
            Self::ApiKey(id) => write!(f, "key:{id}"),
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}
