//! The admin's commands: signed for the TEE's next counter and sent to its gateway, which can't change them.

use kms_gateway::http::{TeeSetup, permissions};
use proto::command::{AdminRequest, AuthorizeSigner, Provision, RevokeSigner, SetCeilings};
use proto::{Address, Signature};
use serde_json::{Value, json};

use super::signer::Signer;
use crate::client::{Json as _, Kms};
use crate::error::Error;

/// An admin, and the gateway of the TEE that it commands.
pub struct Admin {
    kms: Kms,
    signer: Signer,
    counter: Option<u64>,
}

impl Admin {
    /// `counter` is what commands are signed for; without it, whatever the gateway says comes next.
    pub fn new(kms: Kms, signer: Signer, counter: Option<u64>) -> Self {
        Self { kms, signer, counter }
    }

    /// Makes itself the admin of a new TEE, and sets it up.
    pub async fn provision(&self, setup: &Value) -> Result<(), Error> {
        let (relying_parties, ceilings) = read(setup)?;
        let admin = self.signer.address().ok_or_else(|| failed("whose command? Name the admin with --admin"))?;
        let counter = self.next_counter().await?;
        let command = Provision { admin, relying_parties, ceilings, counter, signature: UNSIGNED };
        let mut fields = setup.clone();
        fields["admin"] = admin.to_string().into();
        self.send("/admin/provision", &command, fields).await
    }

    /// Replaces the ceilings by those of `setup`.
    pub async fn set_ceilings(&self, setup: &Value) -> Result<(), Error> {
        let (_, ceilings) = read(setup)?;
        let command = SetCeilings { ceilings, counter: self.next_counter().await?, signature: UNSIGNED };
        self.send("/admin/set-ceilings", &command, json!({ "ceilings": setup["ceilings"] })).await
    }

    /// Lets a relay key do what the named permissions allow.
    pub async fn authorize<T: AsRef<str>>(&self, signer: Address, names: &[T]) -> Result<(), Error> {
        let permissions = permissions(names).map_err(|problem| failed(format!("permissions: {problem}")))?;
        let command = AuthorizeSigner { signer, permissions, counter: self.next_counter().await?, signature: UNSIGNED };
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        let fields = json!({ "signer": signer.to_string(), "permissions": names });
        self.send("/admin/authorize-signer", &command, fields).await
    }

    /// Turns a relay key away, for good.
    pub async fn revoke(&self, signer: Address) -> Result<(), Error> {
        let command = RevokeSigner { signer, counter: self.next_counter().await?, signature: UNSIGNED };
        self.send("/admin/revoke-signer", &command, json!({ "signer": signer.to_string() })).await
    }

    async fn next_counter(&self) -> Result<u64, Error> {
        if let Some(counter) = self.counter {
            return Ok(counter);
        }
        let signers = self.kms.get("/admin/signers").await?;
        let counter = signers.object("counter")?.as_u64().and_then(|counter| counter.checked_add(1));
        counter.ok_or_else(|| failed(format!("the gateway's counter is no counter: {signers}")))
    }

    async fn send(&self, path: &str, command: &impl AdminRequest, mut fields: Value) -> Result<(), Error> {
        fields["counter"] = command.counter().into();
        fields["signature"] = self.signer.sign(command, &fields)?.into();
        self.kms.post(path, &fields).await.map(drop)
    }
}

/// Stands in a command until its challenge, which it is no part of, is signed.
const UNSIGNED: Signature = Signature { r: [0; 32], s: [0; 32], v: 0 };

type Read = (
    proto::bytes::BoundedList<proto::command::RelyingParty, { proto::limits::MAX_RELYING_PARTIES }>,
    proto::command::Ceilings,
);

fn read(setup: &Value) -> Result<Read, Error> {
    let setup: TeeSetup = serde_json::from_value(setup.clone()).map_err(failed)?;
    setup.read().map_err(failed)
}

fn failed(problem: impl std::fmt::Display) -> Error {
    Error::Admin(problem.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setup_that_comes_with_it_is_valid() {
        let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/tee.json"));
        let (relying_parties, ceilings) = read(&serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!((relying_parties.len(), ceilings.deployments.len()), (1, 1));
    }
}
