//! The admin's commands as the gateway's API takes them, without the signature. Made from what is signed: nothing else is
//! shown or sent.

use kms_gateway::http::permission_names;
use proto::command::{AdminRequest, AuthorizeSigner, Ceilings, Deployment, Provision, RevokeSigner, SetCeilings};
use serde_json::{Value, json};

/// A command with a route of its own.
pub trait Body: AdminRequest {
    const PATH: &'static str;

    fn body(&self) -> Value;
}

impl Body for Provision {
    const PATH: &'static str = "/admin/provision";

    fn body(&self) -> Value {
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
            "counter": self.counter,
        })
    }
}

impl Body for SetCeilings {
    const PATH: &'static str = "/admin/set-ceilings";

    fn body(&self) -> Value {
        json!({ "ceilings": ceilings(&self.ceilings), "counter": self.counter })
    }
}

impl Body for AuthorizeSigner {
    const PATH: &'static str = "/admin/authorize-signer";

    fn body(&self) -> Value {
        let permissions = permission_names(self.permissions);
        json!({ "signer": self.signer.to_string(), "permissions": permissions, "counter": self.counter })
    }
}

impl Body for RevokeSigner {
    const PATH: &'static str = "/admin/revoke-signer";

    fn body(&self) -> Value {
        json!({ "signer": self.signer.to_string(), "counter": self.counter })
    }
}

fn ceilings(ceilings: &Ceilings) -> Value {
    let deployments: Vec<Value> = ceilings.deployments.iter().map(deployment).collect();
    json!({
        "deployments": deployments,
        "maxCost": format!("{:#x}", ceilings.max_cost.0),
        "maxWindow": ceilings.max_window,
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
