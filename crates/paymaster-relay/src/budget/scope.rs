//! The scopes in which open reservations are counted.

/// One row per scope: its name in the store, and its subject in error messages.
macro_rules! scopes {
    ($($(#[$doc:meta])* $scope:ident => $name:literal, $subject:literal;)+) => {
        /// The scope in which open reservations are counted, within one deployment.
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

            /// Its subject in error messages.
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
    /// The account; without a passkey, the account as named by one server's API key.
    Account => "account", "this account";
    /// Requests without a passkey, of one API key, or of all callers without one.
    UnprovenCaller => "unproven_caller", "this caller's requests without a passkey";
    /// Requests without a passkey, of all publishable API keys and all callers without a key:
    /// anyone can fill it.
    UnprovenPublic => "unproven_public", "requests without a passkey by publishable API keys, or without a key";
    /// All requests without a passkey.
    Unproven => "unproven", "requests without a passkey";
    /// All reservations.
    Deployment => "deployment", "everybody";
}
