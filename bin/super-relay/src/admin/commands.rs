//! The admin's commands: signed for the TEE's next counter and sent to its gateway, which can't change them.

use kms_gateway::bootstrap::UNSIGNED;
use kms_gateway::http::TeeSetup;
use proto::command::{AuthorizeSigner, Provision, RevokeSigner, SetCeilings};
use proto::{Address, Permissions};
use serde_json::Value;

use super::body::Body;
use super::signer::Signer;
use crate::client::{Json as _, Kms};
use crate::error::Error;

/// An admin, and the gateway of the TEE that it commands. What a command gives is what was signed.
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
    pub async fn provision(&self, setup: TeeSetup) -> Result<Value, Error> {
        let (relying_parties, ceilings) = setup.read().map_err(failed)?;
        let admin = self.signer.address().ok_or_else(|| failed("whose command? Name the admin with --admin"))?;
        let counter = self.next_counter(&self.signers().await?)?;
        self.send(&Provision { admin, relying_parties, ceilings, counter, signature: UNSIGNED }, admin).await
    }

    /// Replaces the ceilings by those of `setup`.
    pub async fn set_ceilings(&self, setup: TeeSetup) -> Result<Value, Error> {
        let (_, ceilings) = setup.read().map_err(failed)?;
        let (admin, counter) = self.turn().await?;
        self.send(&SetCeilings { ceilings, counter, signature: UNSIGNED }, admin).await
    }

    /// Lets a relay key do what the permissions allow.
    pub async fn authorize(&self, signer: Address, permissions: Permissions) -> Result<Value, Error> {
        let (admin, counter) = self.turn().await?;
        self.send(&AuthorizeSigner { signer, permissions, counter, signature: UNSIGNED }, admin).await
    }

    /// Turns a relay key away, for good.
    pub async fn revoke(&self, signer: Address) -> Result<Value, Error> {
        let (admin, counter) = self.turn().await?;
        self.send(&RevokeSigner { signer, counter, signature: UNSIGNED }, admin).await
    }

    /// Whose signature the next command needs, and its counter.
    async fn turn(&self) -> Result<(Address, u64), Error> {
        let signers = self.signers().await?;
        let admin = match self.signer.address() {
            Some(admin) => admin,
            None if signers["admin"].is_null() => return Err(failed("the TEE has no admin yet: provision it first")),
            None => proto::json::address(signers.text("admin")?).map_err(failed)?,
        };
        Ok((admin, self.next_counter(&signers)?))
    }

    async fn signers(&self) -> Result<Value, Error> {
        self.kms.get("/admin/signers").await
    }

    fn next_counter(&self, signers: &Value) -> Result<u64, Error> {
        let next = || signers["counter"].as_u64()?.checked_add(1);
        self.counter.or_else(next).ok_or_else(|| failed("the gateway names no counter"))
    }

    async fn send<C: Body>(&self, command: &C, admin: Address) -> Result<Value, Error> {
        let fields = command.body();
        let mut body = fields.clone();
        body["signature"] = self.signer.sign(command, admin)?.into();
        // Without a yes it may have been done all the same.
        let told =
            format!("it was signed for counter {}: /admin/signers tells whether it took effect", command.counter());
        let answer = self.kms.post(C::PATH, &body).await.map_err(|error| failed(format!("{error}; {told}")))?;
        if answer["success"] != Value::Bool(true) {
            return Err(failed(format!("{}: the gateway does not say that it was done; {told}", C::PATH)));
        }
        Ok(fields)
    }
}

fn failed(problem: impl std::fmt::Display) -> Error {
    Error::Admin(problem.to_string())
}
