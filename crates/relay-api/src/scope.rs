//! The scopes of API keys.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A group of methods that a key may call. Methods that return public facts need none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Sponsorships: intents, stub data, paymaster data.
    Sponsor,
    /// Facts about accounts.
    Accounts,
    /// Invitations to create accounts.
    Invite,
    /// Calls that are passed on to a bundler.
    Bundler,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Sponsor, Self::Accounts, Self::Invite, Self::Bundler];

    /// The name of the scope.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sponsor => "sponsor",
            Self::Accounts => "accounts",
            Self::Invite => "invite",
            Self::Bundler => "bundler",
        }
    }
}

/// The text is not a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidScope;

impl fmt::Display for InvalidScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected sponsor, accounts, invite or bundler")
    }
}

impl std::error::Error for InvalidScope {}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(InvalidScope)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
