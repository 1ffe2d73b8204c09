//! The account whose operations are sponsored, and its passkey, which approves each of them.

use devkit::{Address, SimpleAccountFactory, SoftPasskey, U256};
use proto::digest::intent_hash;
use proto::{AccountId, EntryPoint};
use serde_json::{Value, json};

use crate::Outcome;
use crate::load;
use crate::operation::{self, CHAIN_ID, ORIGIN, RP_ID};
use crate::world::{World, text};

/// An account that exists on chain.
pub struct Account {
    id: AccountId,
    sender: Address,
    passkey: SoftPasskey,
    entry_point: EntryPoint,
    /// The nonce key of its next operation.
    next_key: u64,
}

impl Account {
    /// Registers the passkey and deploys the account with a first, sponsored operation.
    pub async fn create(world: &World) -> Outcome<Self> {
        let mut passkey = SoftPasskey::create(RP_ID, ORIGIN)?;
        let begun = world.post("/webauthn/register/begin", &json!({ "userName": "bench" })).await?;
        let credential = passkey.register(&begun["publicKey"])?;
        let registration = &begun["registrationId"];
        let finish = json!({ "registrationId": registration, "credential": credential });
        world.post("/webauthn/register/finish", &finish).await?;
        let create = json!({ "registrationId": registration });
        let made = world.post("/kms/create-deterministic-account", &create).await?;

        let (owner, salt): (Address, U256) = (text(&made, "ownerAddress")?.parse()?, text(&made, "salt")?.parse()?);
        let mut account = Self {
            id: text(&made, "accountId")?.parse().map_err(|problem| format!("accountId: {problem}"))?,
            sender: text(&made, "sender")?.parse()?,
            passkey,
            entry_point: EntryPoint {
                chain_id: CHAIN_ID,
                address: world.entry_point().address().into(),
                version: operation::proto_version()?,
            },
            next_key: 0,
        };
        let factory = world.deployment.account_factory.address();
        let deploy = (factory, SimpleAccountFactory::factory_data(owner, salt));
        let first = account.request(Some(deploy))?;
        let sent = load::send(&world.url("rpc")?, vec![first], 1, load::is_sponsored).await?;
        handle(world, &sent.last).await?;
        Ok(account)
    }

    /// The number of its operations that were sponsored.
    pub fn sponsored(&self) -> u64 {
        self.next_key
    }

    /// This many requests, ready to send: new operations, each approved by the passkey.
    pub fn requests(&mut self, count: usize) -> Outcome<Vec<String>> {
        (0..count).map(|_| self.request(None)).collect()
    }

    fn request(&mut self, deploy: Option<(Address, devkit::Bytes)>) -> Outcome<String> {
        let mut draft = operation::draft(self.sender, self.next_key);
        draft.deploy = deploy;
        self.next_key += 1;
        let json = draft.to_json(operation::VERSION);
        let hash = operation::parsed(&json)?.hash(&self.entry_point);
        let assertion = self.passkey.assert_challenge(&intent_hash(&hash, &self.id).0)?;
        let params = json!([json, self.id.as_str(), assertion]);
        Ok(json!({ "jsonrpc": "2.0", "id": 1, "method": "pm_sponsor_with_tee", "params": params }).to_string())
    }
}

/// Sends a sponsored operation to the EntryPoint unchanged.
pub async fn handle(world: &World, operation: &Value) -> Outcome<()> {
    let handled = world.entry_point().handle_ops(operation).await?;
    if handled.success { Ok(()) } else { Err("an operation was mined, but its call failed".into()) }
}
