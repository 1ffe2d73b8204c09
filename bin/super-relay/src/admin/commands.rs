//! The admin's commands: signed for one TEE and its next counter, and sent to its gateway, which
//! cannot change them.

use kms_api::admin::{Done, GetSigners, Signers, TeeSetup};
use kms_api::{Route, Routed};
use kms_gateway::http::read_setup;
use proto::command::{
    AdminRequest, AuthorizeSigner, PreparePaymasterKey, Provision, RevokeSigner, RotatePaymasterKey, SetAllowance,
    SetCeilings,
};
use proto::{Address, Permissions, Signature, TeeId, Wei};
use serde_json::Value;

use super::allowance::Sought;
use super::signer::{Signer, shown};
use crate::client::Kms;
use crate::error::Error;

/// An admin, the one TEE that it commands, and the gateway of that TEE. Each command returns what
/// was signed.
pub struct Admin {
    kms: Kms,
    signer: Signer,
    tee_id: TeeId,
    counter: Option<u64>,
}

/// The target and signer of the next command.
struct Turn {
    admin: Address,
    tee_id: TeeId,
    counter: u64,
    /// As reported by the gateway.
    signers: Signers,
}

impl Admin {
    /// An admin whose commands go to that gateway and are signed for that TEE. Without a counter,
    /// commands are signed for the next one the gateway reports.
    pub fn new(kms: Kms, signer: Signer, tee_id: TeeId, counter: Option<u64>) -> Self {
        Self { kms, signer, tee_id, counter }
    }

    /// Makes this admin the admin of a new TEE, and sets the TEE up.
    pub async fn provision(&self, setup: TeeSetup) -> Result<Value, Error> {
        let (relying_parties, ceilings) = read_setup(setup).map_err(failed)?;
        let admin = self.signer.address().ok_or_else(|| failed("no admin address: name the admin with --admin"))?;
        let counter = self.next_counter(&self.signers().await?)?;
        let tee_id = self.tee_id;
        self.send(
            Provision { tee_id, admin, relying_parties, ceilings, counter, signature: Signature::UNSIGNED },
            admin,
        )
        .await
    }

    /// Replaces the ceilings with those of `setup`.
    pub async fn set_ceilings(&self, setup: TeeSetup) -> Result<Value, Error> {
        let (_, ceilings) = read_setup(setup).map_err(failed)?;
        let Turn { admin, tee_id, counter, .. } = self.turn().await?;
        self.send(SetCeilings { tee_id, ceilings, counter, signature: Signature::UNSIGNED }, admin).await
    }

    /// Grants the one deployment of the ceilings that is sought a total of worst-case costs.
    pub async fn set_allowance(&self, total: Wei, sought: &Sought) -> Result<Value, Error> {
        let Turn { admin, tee_id, counter, signers } = self.turn().await?;
        let deployment = sought.among(&signers)?;
        self.send(SetAllowance { tee_id, deployment, total, counter, signature: Signature::UNSIGNED }, admin).await
    }

    /// Lets a relay key do what the permissions allow.
    pub async fn authorize(&self, signer: Address, permissions: Permissions) -> Result<Value, Error> {
        let Turn { admin, tee_id, counter, .. } = self.turn().await?;
        self.send(AuthorizeSigner { tee_id, signer, permissions, counter, signature: Signature::UNSIGNED }, admin).await
    }

    /// Removes the record of a relay key: the record with this address, now or when it was
    /// authorised, and with that number, if one is given.
    pub async fn revoke(&self, signer: Address, number: Option<u64>) -> Result<Value, Error> {
        let Turn { admin, tee_id, counter, signers } = self.turn().await?;
        let (record, authorised_as) = find_record(&signers, signer, number)?;
        self.send(RevokeSigner { tee_id, record, authorised_as, counter, signature: Signature::UNSIGNED }, admin).await
    }

    /// Makes a standby for the paymaster key.
    pub async fn prepare_paymaster_key(&self) -> Result<Value, Error> {
        let Turn { admin, tee_id, counter, .. } = self.turn().await?;
        self.send(PreparePaymasterKey { tee_id, counter, signature: Signature::UNSIGNED }, admin).await
    }

    /// Replaces the paymaster key with the standby of that address.
    pub async fn rotate_paymaster_key(&self, next: Address) -> Result<Value, Error> {
        let Turn { admin, tee_id, counter, .. } = self.turn().await?;
        self.send(RotatePaymasterKey { tee_id, next, counter, signature: Signature::UNSIGNED }, admin).await
    }

    async fn turn(&self) -> Result<Turn, Error> {
        let signers = self.signers().await?;
        let admin = self.signer.address().or(signers.admin);
        let admin = admin.ok_or_else(|| failed("the TEE has no admin yet: provision it first"))?;
        Ok(Turn { admin, tee_id: self.tee_id, counter: self.next_counter(&signers)?, signers })
    }

    /// The gateway's report on its TEE, if that is the TEE to command; otherwise an error.
    async fn signers(&self) -> Result<Signers, Error> {
        let signers = self.kms.get(&GetSigners).await?;
        let (served, commanded) = (signers.tee_id, self.tee_id);
        if served != commanded {
            return Err(failed(format!("the gateway serves the TEE {served}, not {commanded}; nothing was signed")));
        }
        Ok(signers)
    }

    fn next_counter(&self, signers: &Signers) -> Result<u64, Error> {
        let next = || signers.counter.checked_add(1);
        self.counter.or_else(next).ok_or_else(|| failed("the gateway reports no counter"))
    }

    async fn send<C: AdminRequest + Routed>(&self, mut command: C, admin: Address) -> Result<Value, Error> {
        command.set_signature(self.signer.sign(&command, admin)?);
        // Even without a confirmation the command may have been executed.
        let told =
            format!("it was signed for counter {}: /admin/signers shows whether it took effect", command.counter());
        let sent = self.kms.post(&C::Body::from(&command)).await;
        let Done { success } = sent.map_err(|error| failed(format!("{error}; {told}")))?;
        if !success {
            let path = <C::Body as Route>::PATH;
            return Err(failed(format!("{path}: the gateway does not confirm the command; {told}")));
        }
        Ok(shown(&command))
    }
}

/// Number and first address of the one record that matches.
fn find_record(signers: &Signers, signer: Address, number: Option<u64>) -> Result<(u64, Address), Error> {
    let is_meant = |listed: &&kms_api::admin::Signer| {
        let is_named = listed.address == signer || listed.authorised_as == signer;
        is_named && number.is_none_or(|number| number == listed.record)
    };
    let found: Vec<_> =
        signers.signers.iter().filter(is_meant).map(|listed| (listed.record, listed.authorised_as)).collect();
    match found[..] {
        [one] => Ok(one),
        [] => Err(failed(format!(
            "no record of a relay key has or had the address {signer}: it was revoked, or never authorised; nothing was sent"
        ))),
        _ => {
            let numbers: Vec<String> = found.iter().map(|(number, _)| number.to_string()).collect();
            let numbers = numbers.join(", ");
            Err(failed(format!("{signer} is in several records: choose with --record: {numbers}; nothing was sent")))
        }
    }
}

fn failed(problem: impl std::fmt::Display) -> Error {
    Error::Admin(problem.to_string())
}
