//! The admin's commands as the gateway's API takes them, without the signature. Made from what is signed: nothing else is
//! shown or sent.

use proto::command::{
    AdminRequest, AuthorizeSigner, Ceilings, Deployment, PreparePaymasterKey, Provision, RevokeSigner,
    RotatePaymasterKey, SetCeilings,
};
use serde_json::{Value, json};

/// A command with a route of its own.
pub trait Body: AdminRequest {
    const PATH: &'static str;

    /// The fields but for the TEE's id and the counter, which every command has.
    fn fields(&self) -> Value;

    fn body(&self) -> Value {
        let mut body = self.fields();
        body["teeId"] = self.tee_id().to_string().into();
        body["counter"] = self.counter().into();
        body
    }
}

impl Body for Provision {
    const PATH: &'static str = "/admin/provision";

    fn fields(&self) -> Value {
        let relying_parties: Vec<Value> = self
            .relying_parties
            .iter()
            .map(|party| {
                let origins: Vec<&str> = party.origins.iter().map(|origin| origin.as_str()).collect();
                json!({ "id": party.id.as_str(), "origins": origins })
            })
            .collect();
        json!({
            "admin": self.admin.to_string(),
            "relyingParties": relying_parties,
            "ceilings": ceilings(&self.ceilings),
        })
    }
}

impl Body for SetCeilings {
    const PATH: &'static str = "/admin/set-ceilings";

    fn fields(&self) -> Value {
        json!({ "ceilings": ceilings(&self.ceilings) })
    }
}

impl Body for AuthorizeSigner {
    const PATH: &'static str = "/admin/authorize-signer";

    fn fields(&self) -> Value {
        let permissions: Vec<&str> = self.permissions.names().collect();
        json!({ "signer": self.signer.to_string(), "permissions": permissions })
    }
}

impl Body for RevokeSigner {
    const PATH: &'static str = "/admin/revoke-signer";

    fn fields(&self) -> Value {
        json!({ "record": self.record, "authorisedAs": self.authorised_as.to_string() })
    }
}

impl Body for PreparePaymasterKey {
    const PATH: &'static str = "/admin/prepare-paymaster-key";

    fn fields(&self) -> Value {
        json!({})
    }
}

impl Body for RotatePaymasterKey {
    const PATH: &'static str = "/admin/rotate-paymaster-key";

    fn fields(&self) -> Value {
        json!({ "next": self.next.to_string() })
    }
}

fn ceilings(ceilings: &Ceilings) -> Value {
    let deployments: Vec<Value> = ceilings.deployments.iter().map(deployment).collect();
    json!({
        "deployments": deployments,
        "maxCost": format!("{:#x}", ceilings.max_cost.0),
        "maxWindow": ceilings.max_window,
        "maxAccounts": ceilings.max_accounts,
    })
}

fn deployment(deployment: &Deployment) -> Value {
    json!({
        "chainId": deployment.entry_point.chain_id,
        "entryPoint": deployment.entry_point.address.to_string(),
        "version": deployment.entry_point.version.to_string(),
        "paymaster": deployment.paymaster.to_string(),
    })
}
