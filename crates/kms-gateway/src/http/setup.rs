//! What an admin sets up a TEE with, in JSON: where passkeys may come from, and the ceilings.

use proto::bytes::{Bounded, BoundedList};
use proto::command::{Ceilings, Deployment, RelyingParty};
use proto::json::{InvalidField, hex_quantity};
use proto::limits::{MAX_NAME, MAX_RELYING_PARTIES};
use proto::{Address, EntryPoint, EntryPointVersion, Quantity, Wei};
use serde::Deserialize;
use serde_json::{Value, json};

use super::wire::Text;
use crate::origin::Origin;

/// `{"relyingParties": [...], "ceilings": {...}}`, as in the body of `POST /admin/provision`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TeeSetup {
    relying_parties: RelyingParties,
    ceilings: CeilingsBody,
}

impl TeeSetup {
    /// As `Provision` and `SetCeilings` take them.
    ///
    /// # Errors
    /// The field that is too long for them.
    pub fn read(self) -> Result<(BoundedList<RelyingParty, MAX_RELYING_PARTIES>, Ceilings), InvalidField> {
        Ok((self.relying_parties.read()?, self.ceilings.read()?))
    }
}

#[derive(Deserialize)]
pub(super) struct RelyingParties(Vec<RelyingPartyBody>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RelyingPartyBody {
    id: String,
    origins: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CeilingsBody {
    deployments: Vec<DeploymentBody>,
    max_cost: Quantity<u128>,
    max_window: u32,
    max_accounts: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeploymentBody {
    chain_id: Quantity<u64>,
    entry_point: Text<Address>,
    version: EntryPointVersion,
    paymaster: Text<Address>,
}

impl RelyingParties {
    pub(super) fn read(self) -> Result<BoundedList<RelyingParty, MAX_RELYING_PARTIES>, InvalidField> {
        list("relyingParties", self.0, RelyingPartyBody::read)
    }
}

impl RelyingPartyBody {
    fn read(self) -> Result<RelyingParty, InvalidField> {
        let origins = list(ORIGINS, self.origins, |origin| read_origin(origin, &self.id))?;
        let id = Bounded::new(self.id).map_err(|problem| invalid("relyingParties.id", &problem))?;
        Ok(RelyingParty { id, origins })
    }
}

const ORIGINS: &str = "relyingParties.origins";

/// Origins are compared as they are, and can't be changed later. One is refused that would never match: a browser writes
/// it otherwise, or has no passkey of that relying party there.
fn read_origin(text: String, id: &str) -> Result<Bounded<String, MAX_NAME>, InvalidField> {
    let origin: Origin = text.parse().map_err(|problem| invalid(ORIGINS, &problem))?;
    let written = origin.serialised();
    if !origin.belongs_to(id) {
        return Err(invalid(ORIGINS, &format!("{text} does not belong to {id}")));
    }
    if written != text {
        return Err(invalid(ORIGINS, &format!("browsers write {text} as {written}")));
    }
    Bounded::new(text).map_err(|problem| invalid(ORIGINS, &problem))
}

impl CeilingsBody {
    pub(super) fn read(self) -> Result<Ceilings, InvalidField> {
        Ok(Ceilings {
            deployments: list("ceilings.deployments", self.deployments, |body| Ok(body.into()))?,
            max_cost: Wei(self.max_cost.0),
            max_window: self.max_window,
            max_accounts: self.max_accounts,
        })
    }
}

/// Ceilings in the form of [`CeilingsBody`].
pub(super) fn ceilings(ceilings: &Ceilings) -> Value {
    let deployments: Vec<Value> = ceilings
        .deployments
        .iter()
        .map(|Deployment { entry_point, paymaster }| {
            json!({
                "chainId": hex_quantity(entry_point.chain_id.into()),
                "entryPoint": entry_point.address.to_string(),
                "version": entry_point.version,
                "paymaster": paymaster.to_string(),
            })
        })
        .collect();
    json!({
        "deployments": deployments,
        "maxCost": hex_quantity(ceilings.max_cost.0),
        "maxWindow": ceilings.max_window,
        "maxAccounts": ceilings.max_accounts,
    })
}

impl From<DeploymentBody> for Deployment {
    fn from(body: DeploymentBody) -> Self {
        let entry_point = EntryPoint { chain_id: body.chain_id.0, address: body.entry_point.0, version: body.version };
        Self { entry_point, paymaster: body.paymaster.0 }
    }
}

fn list<A, B, const MAX: usize>(
    field: &str,
    items: Vec<A>,
    read: impl Fn(A) -> Result<B, InvalidField>,
) -> Result<BoundedList<B, MAX>, InvalidField> {
    let items = items.into_iter().map(read).collect::<Result<_, _>>()?;
    BoundedList::new(items).map_err(|problem| invalid(field, &problem))
}

fn invalid(field: &str, problem: &impl ToString) -> InvalidField {
    InvalidField { field: field.into(), problem: problem.to_string() }
}
