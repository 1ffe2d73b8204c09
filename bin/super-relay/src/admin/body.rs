//! The admin's commands as the gateway's API takes them. Made from what is signed: nothing else is
//! shown or sent.

use kms_api::Route;
use kms_api::admin::{self, Done};
use proto::Signature;
use proto::command::{
    AdminRequest, AuthorizeSigner, PreparePaymasterKey, Provision, RevokeSigner, RotatePaymasterKey, SetCeilings,
};
use serde::Serialize;
use serde_json::Value;

/// A command with a route of its own.
pub trait Body: AdminRequest + 'static {
    /// As it is sent.
    type Sent: Route<Answer = Done> + Serialize + for<'a> From<&'a Self>;

    fn set_signature(&mut self, signature: Signature);

    /// What is sent, without the signature.
    fn shown(&self) -> Value {
        let mut body = serde_json::to_value(Self::Sent::from(self)).unwrap_or_default();
        if let Some(fields) = body.as_object_mut() {
            fields.remove("signature");
        }
        body
    }
}

macro_rules! bodies {
    ($($command:ident),*) => {
        $(impl Body for $command {
            type Sent = admin::$command;

            fn set_signature(&mut self, signature: Signature) {
                self.signature = signature;
            }
        })*
    };
}

bodies!(Provision, SetCeilings, AuthorizeSigner, RevokeSigner, PreparePaymasterKey, RotatePaymasterKey);
