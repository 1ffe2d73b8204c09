//! The table of routes: method, path, request and answer.

use proto::command::{self, SignedCommand};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::accounts::{Account, CreateAccount, CreatedAccount, GetAccount};
use crate::admin::{
    self, AuthorizeSigner, Done, GetSigners, PreparePaymasterKey, Provision, RevokeSigner, RotatePaymasterKey,
    RotateSigner, SetAllowance, SetCeilings, Signers,
};
use crate::attestation::{Attestation, GetAttestation};
use crate::messages::{SignMessage, SignedMessage};
use crate::operations::{SignOperation, SignedOperation, SponsorOperation, SponsoredOperation};
use crate::status::{
    GetHealth, GetQueueStatus, GetRollbackCounter, GetStats, GetVersion, Health, QueueStatus, RollbackCounter, Stats,
    Version,
};
use crate::webauthn::{BeginRegistration, FinishRegistration, RegistrationBegun, RegistrationFinished};

/// How a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Without a body.
    Get,
    /// The request is the body, as JSON.
    Post,
}

/// A route, identified by the type of its request.
pub trait Route {
    /// The JSON answer with HTTP status 200. Every other answer is a [`crate::ErrorBody`], except
    /// [`Health`] with 503.
    type Answer: Serialize + DeserializeOwned;

    /// The HTTP method.
    const METHOD: Method;
    /// The path. A segment in braces stands for a [`Self::parameter`].
    const PATH: &'static str;

    /// The value for the segment in braces.
    fn parameter(&self) -> Option<&str> {
        None
    }

    /// Name and value of the query parameter.
    fn query(&self) -> Option<(&'static str, &str)> {
        None
    }

    /// The segments of the path, not URL-encoded.
    fn segments(&self) -> impl Iterator<Item = &str> {
        let filled = |segment: &'static str| if segment.starts_with('{') { self.parameter() } else { Some(segment) };
        Self::PATH.split('/').skip(1).filter_map(filled)
    }
}

macro_rules! routes {
    ($($method:ident $path:literal $request:ident => $answer:ident $({ $($part:item)* })?)*) => {
        /// Every route.
        pub const ALL: &[(Method, &str)] = &[$((Method::$method, $path)),*];

        $(impl Route for $request {
            type Answer = $answer;

            const METHOD: Method = Method::$method;
            const PATH: &'static str = $path;

            $($($part)*)?
        })*
    };
}

routes! {
    Post "/webauthn/register/begin" BeginRegistration => RegistrationBegun
    Post "/webauthn/register/finish" FinishRegistration => RegistrationFinished
    Post "/kms/create-deterministic-account" CreateAccount => CreatedAccount
    Get "/kms/accounts/{accountId}" GetAccount => Account {
        fn parameter(&self) -> Option<&str> {
            Some(self.account_id.as_str())
        }
    }
    Post "/kms/sponsor-user-operation" SponsorOperation => SponsoredOperation
    Post "/kms/sign-user-operation" SignOperation => SignedOperation
    Post "/kms/sign-message" SignMessage => SignedMessage
    Get "/admin/signers" GetSigners => Signers
    Post "/admin/provision" Provision => Done
    Post "/admin/authorize-signer" AuthorizeSigner => Done
    Post "/admin/revoke-signer" RevokeSigner => Done
    Post "/admin/rotate-signer" RotateSigner => Done
    Post "/admin/set-ceilings" SetCeilings => Done
    Post "/admin/prepare-paymaster-key" PreparePaymasterKey => Done
    Post "/admin/rotate-paymaster-key" RotatePaymasterKey => Done
    Post "/admin/set-allowance" SetAllowance => Done
    Get "/health" GetHealth => Health
    Get "/version" GetVersion => Version
    Get "/stats" GetStats => Stats
    Get "/QueueStatus" GetQueueStatus => QueueStatus
    Get "/RollbackCounter" GetRollbackCounter => RollbackCounter
    Get "/attestation" GetAttestation => Attestation {
        fn query(&self) -> Option<(&'static str, &str)> {
            Some(("nonce", &self.nonce))
        }
    }
}

/// A signed command with its own route.
pub trait Routed: SignedCommand {
    /// The request body.
    type Body: Route<Answer = Done> + Serialize + for<'a> From<&'a Self>;
}

macro_rules! routed {
    ($($command:ident),*) => {
        $(impl Routed for command::$command {
            type Body = admin::$command;
        })*
    };
}

proto::admin_commands!(routed);
routed!(Provision, RotateSigner);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_replaces_its_segment_of_the_path() {
        let account = GetAccount { account_id: "alice".parse().unwrap() };
        assert_eq!(account.segments().collect::<Vec<_>>(), ["kms", "accounts", "alice"]);
        assert_eq!(GetHealth.segments().collect::<Vec<_>>(), ["health"]);
    }
}
