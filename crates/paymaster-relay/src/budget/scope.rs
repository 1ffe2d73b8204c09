//! What open reservations are counted by.

/// One row for each scope: its name in the store, and whose reservations it counts, as clients are
/// told.
macro_rules! scopes {
    ($($(#[$doc:meta])* $scope:ident => $name:literal, $subject:literal;)+) => {
        /// What open reservations are counted by, within one deployment.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Scope {
            $($(#[$doc])* $scope,)+
        }

        impl Scope {
            /// Every scope, from the narrowest to the widest.
            pub const ALL: &[Self] = &[$(Self::$scope,)+];

            /// Its name in the store.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$scope => $name,)+
                }
            }

            /// Whose reservations it counts, as clients are told.
            #[must_use]
            pub const fn subject(self) -> &'static str {
                match self {
                    $(Self::$scope => $subject,)+
                }
            }
        }
    };
}

scopes! {
    /// The API key that presented the request.
    ApiKey => "api_key", "this API key";
    /// The account; without a passkey, the account under the server's API key that named it.
    Account => "account", "this account";
    /// What no passkey approved, of one API key, or of everybody without one.
    UnprovenCaller => "unproven_caller", "this caller's requests without a passkey";
    /// What no passkey approved, of all publishable API keys and of everybody without one: what
    /// anybody can fill.
    UnprovenPublic => "unproven_public", "requests without a passkey by publishable API keys, or without a key";
    /// Everything that no passkey approved.
    Unproven => "unproven", "requests without a passkey";
    /// All of it.
    Deployment => "deployment", "everybody";
}
