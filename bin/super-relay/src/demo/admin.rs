//! The admin of a TEE elsewhere: commands signed here, sent to its gateway.

use kms_gateway::bootstrap::AdminKey;
use proto::bytes::{Bounded, BoundedList};
use proto::command::{AuthorizeSigner, Ceilings, Deployment, Provision, RelyingParty};
use proto::json::hex_bytes;
use proto::{Address, Permissions, Signature, Wei};
use secrecy::SecretSlice;
use serde_json::{Value, json};

use super::client::{Json as _, Kms};
use super::{ORIGIN, RP_ID, failed};
use crate::error::Error;

/// A tenth of an ether, in wei.
const MAX_COST: u128 = 100_000_000_000_000_000;
const MAX_WINDOW_SECONDS: u32 = 3600;
/// Of the last signed command of a TEE that was just provisioned.
const FIRST_COUNTER: u64 = 1;

/// The admin, with a key that lives as long as the demo.
pub struct Admin<'a> {
    key: AdminKey,
    kms: &'a Kms,
}

impl<'a> Admin<'a> {
    /// Makes itself a key and provisions the TEE, which must be new: another admin's would not obey.
    pub async fn of_a_new_tee(kms: &'a Kms, deployment: Deployment) -> Result<Self, Error> {
        if !kms.get("/admin/signers").await?.object("admin")?.is_null() {
            return Err(Error::Demo("the TEE has an admin already; the demo needs a new one".into()));
        }
        let mut secret = vec![0; 32];
        getrandom::fill(&mut secret).map_err(failed)?;
        let admin = Self { key: AdminKey::new(&SecretSlice::from(secret)).map_err(failed)?, kms };
        admin.provision(deployment).await?;
        Ok(admin)
    }

    /// Its address.
    pub fn address(&self) -> Address {
        self.key.address()
    }

    async fn provision(&self, deployment: Deployment) -> Result<(), Error> {
        let text = |text: &str| Bounded::new(text.to_string()).map_err(failed);
        let relying_party = RelyingParty { id: text(RP_ID)?, origins: list(text(ORIGIN)?)? };
        let ceilings =
            Ceilings { deployments: list(deployment)?, max_cost: Wei(MAX_COST), max_window: MAX_WINDOW_SECONDS };
        let mut command = Provision {
            admin: self.address(),
            relying_parties: list(relying_party)?,
            ceilings,
            counter: FIRST_COUNTER,
            signature: unsigned(),
        };
        command.signature = self.key.sign(&command);
        let body = json!({
            "admin": command.admin.to_string(),
            "relyingParties": [{ "id": RP_ID, "origins": [ORIGIN] }],
            "ceilings": {
                "deployments": [{
                    "chainId": deployment.entry_point.chain_id,
                    "entryPoint": deployment.entry_point.address.to_string(),
                    "version": deployment.entry_point.version,
                    "paymaster": deployment.paymaster.to_string(),
                }],
                "maxCost": format!("{MAX_COST:#x}"),
                "maxWindow": MAX_WINDOW_SECONDS,
            },
            "counter": command.counter,
            "signature": signature_text(&command.signature),
        });
        self.kms.post("/admin/provision", &body).await.map(drop)
    }

    /// Lets a relay key sponsor, and sign for accounts of the TEE.
    pub async fn authorize(&self, relay_signer: Address) -> Result<(), Error> {
        let mut command = AuthorizeSigner {
            signer: relay_signer,
            permissions: Permissions::SPONSOR | Permissions::SIGN_USER_OPERATION,
            counter: FIRST_COUNTER + 1,
            signature: unsigned(),
        };
        command.signature = self.key.sign(&command);
        let body: Value = json!({
            "signer": relay_signer.to_string(),
            "permissions": ["sponsor", "sign_user_operation"],
            "counter": command.counter,
            "signature": signature_text(&command.signature),
        });
        self.kms.post("/admin/authorize-signer", &body).await.map(drop)
    }
}

fn list<T, const MAX: usize>(item: T) -> Result<BoundedList<T, MAX>, Error> {
    BoundedList::new(vec![item]).map_err(failed)
}

/// Stands in a command until its challenge, which it is no part of, is signed.
const fn unsigned() -> Signature {
    Signature { r: [0; 32], s: [0; 32], v: 0 }
}

fn signature_text(signature: &Signature) -> String {
    hex_bytes(&[signature.r.as_slice(), &signature.s, &[signature.v]].concat())
}
