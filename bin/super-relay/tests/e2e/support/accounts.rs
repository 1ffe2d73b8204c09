//! Accounts: one whose key is in the TEE and which its passkey controls, and one whose owner keeps
//! the key.

use devkit::passkey::Behaviour;
use devkit::user_operation::Draft;
use devkit::{Address, Bytes, Call, SimpleAccountFactory, SoftPasskey, U256, execute};
use proto::EntryPoint;
use proto::digest::intent_hash;
use proto::json::{GasFields, parse_user_operation};
use serde_json::{Value, json};

use super::configuration::{ORIGIN, RP_ID};
use super::{Key, Refusal, World};

/// The target of the operations of these tests: an address without code.
const PAYEE: Address = Address::repeat_byte(0x5a);

/// An account whose key is in the TEE.
pub struct TeeAccount {
    pub id: String,
    pub owner: Address,
    pub sender: Address,
    pub salt: U256,
    pub passkey: SoftPasskey,
}

/// An account whose owner keeps the key.
pub struct OwnedAccount {
    pub key: Key,
    pub sender: Address,
    salt: U256,
}

/// Registers a new passkey; returns it and the ID of its registration.
pub async fn register(world: &World, change: impl FnOnce(&mut Behaviour)) -> (SoftPasskey, Value) {
    let kms = world.kms();
    let mut passkey = SoftPasskey::create(RP_ID, ORIGIN).unwrap();
    change(&mut passkey.behaviour);
    let begun = kms.post("/webauthn/register/begin", &json!({ "userName": "e2e" })).await.unwrap();
    let registration = begun["registrationId"].clone();
    let credential = passkey.register(&begun["publicKey"]).unwrap();
    let finish = json!({ "registrationId": registration, "credential": credential });
    kms.post("/webauthn/register/finish", &finish).await.unwrap();
    (passkey, registration)
}

impl TeeAccount {
    /// Registers a new passkey and makes its account, as a dApp does.
    pub async fn create(world: &World) -> Self {
        Self::create_with(world, |_| {}).await
    }

    /// The same in another browser.
    pub async fn create_with(world: &World, change: impl FnOnce(&mut Behaviour)) -> Self {
        let (passkey, registration) = register(world, change).await;
        let create = json!({ "registrationId": registration });
        let made = world.kms().post("/kms/create-deterministic-account", &create).await.unwrap();
        let text = |field: &str| made[field].as_str().unwrap_or_else(|| panic!("no {field}: {made}")).to_owned();
        Self {
            id: text("accountId"),
            owner: text("ownerAddress").parse().unwrap(),
            sender: text("sender").parse().unwrap(),
            salt: text("salt").parse().unwrap(),
            passkey,
        }
    }

    /// Its next operation, unsigned.
    pub async fn operation(&self, world: &World) -> Value {
        next_operation(world, self.sender, self.owner, self.salt).await
    }

    /// Approves an operation without the relay: a page can compute the challenge itself.
    pub async fn approve(&mut self, world: &World, operation: &Value) -> Value {
        let id = self.id.clone();
        self.approve_as(world, operation, &id).await
    }

    /// Approves an operation for another account.
    pub async fn approve_as(&mut self, world: &World, operation: &Value, account_id: &str) -> Value {
        let version = world.version().to_string().parse().unwrap();
        let address = world.entry_point().address().into();
        let entry_point = EntryPoint { chain_id: 31337, address, version };
        let mut op = parse_user_operation(operation, version, 31337, GasFields::Required).unwrap().op;
        op.paymaster = None;
        let challenge = intent_hash(&op.hash(&entry_point), &account_id.parse().unwrap());
        self.passkey.assert_challenge(&challenge.0).unwrap()
    }

    /// The complete flow: intent, approval, sponsorship.
    pub async fn sponsored(&mut self, world: &World, operation: &Value) -> Result<Value, Refusal> {
        let intent = world.rpc().call("pm_getSponsorshipIntent", json!([operation, self.id])).await?;
        let assertion = self.passkey.assert(&intent["webauthn"]).unwrap();
        world.rpc().call("pm_sponsor_with_tee", json!([operation, self.id, assertion])).await
    }
}

impl OwnedAccount {
    pub async fn new(world: &World, seed: u8) -> Self {
        Self::with_salt(world, seed, 0).await
    }

    /// Another account of the same owner.
    pub async fn with_salt(world: &World, seed: u8, salt: u64) -> Self {
        let (key, salt) = (Key::new(seed), U256::from(salt));
        let sender = world.deployment.account_factory.account_address(key.address(), salt).await.unwrap();
        Self { key, sender, salt }
    }

    /// Its next operation, unsigned.
    pub async fn operation(&self, world: &World) -> Value {
        next_operation(world, self.sender, self.key.address(), self.salt).await
    }

    /// The operation with the owner's signature over the hash that the chain computes.
    pub async fn sign(&self, world: &World, operation: &Value) -> Value {
        let hash = world.entry_point().user_op_hash(operation).await.unwrap();
        let mut signed = operation.clone();
        signed["signature"] = json!(self.key.sign_operation(world.version(), hash));
        signed
    }
}

/// Calls the payee; deploys the account if this is its first operation.
async fn next_operation(world: &World, sender: Address, owner: Address, salt: U256) -> Value {
    let nonce = world.entry_point().nonce(sender).await.unwrap();
    let call = Call { target: PAYEE, value: U256::ZERO, data: Bytes::from_static(&[0x12, 0x34]) };
    let mut draft = Draft::new(sender, nonce, execute(&call));
    if nonce.is_zero() {
        let data = SimpleAccountFactory::factory_data(owner, salt);
        draft.deploy = Some((world.deployment.account_factory.address(), data));
    }
    draft.to_json(world.version())
}
