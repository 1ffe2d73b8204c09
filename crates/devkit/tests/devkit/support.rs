//! A chain, an account owner, and one of its operations.

use std::path::Path;

use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, Signature, U256, eip191_hash_message, keccak256};
use alloy_provider::Provider;
use alloy_rpc_types_eth::TransactionRequest;
use devkit::user_operation::Draft;
use devkit::{Anvil, AnvilOptions, Call, Deployment, EntryPointVersion, SimpleAccountFactory, Tools, deploy, execute};
use k256::ecdsa::SigningKey;
use serde_json::{Value, json};

pub const ETHER: u64 = 1_000_000_000_000_000_000;

pub fn tools() -> Tools {
    Tools::locate(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

pub async fn anvil(chain_id: u64) -> Anvil {
    Anvil::start(tools().anvil(), AnvilOptions { chain_id, ..AnvilOptions::default() }).await.unwrap()
}

/// A fresh chain with one version of account abstraction.
pub async fn chain(version: EntryPointVersion) -> (Anvil, Deployment) {
    let anvil = anvil(31337).await;
    let deployment = deploy(&anvil, &tools(), version).await.unwrap();
    (anvil, deployment)
}

pub async fn fund(anvil: &Anvil, account: Address, wei: u64) {
    let transfer = TransactionRequest::default().from(anvil.accounts()[2]).to(account).value(U256::from(wei));
    anvil.provider().send_transaction(transfer).await.unwrap().get_receipt().await.unwrap();
}

pub async fn balance(anvil: &Anvil, account: Address) -> U256 {
    anvil.provider().get_balance(account).await.unwrap()
}

/// A secp256k1 key outside the node: an account's owner, or a paymaster's signer.
pub struct Owner(SigningKey);

impl Owner {
    pub fn new(seed: u8) -> Self {
        Self(SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    pub fn address(&self) -> Address {
        let point = self.0.verifying_key().to_sec1_point(false);
        Address::from_slice(&keccak256(&point.as_bytes()[1..])[12..])
    }

    /// r ‖ s ‖ v, v being 27 or 28.
    pub fn sign(&self, hash: B256) -> Bytes {
        self.signature(hash).as_bytes().into()
    }

    /// In the form that the SimpleAccount of that version checks: EIP-191 up to v0.7, the bare hash
    /// since.
    pub fn sign_operation(&self, version: EntryPointVersion, user_op_hash: B256) -> Bytes {
        match version {
            EntryPointVersion::V06 | EntryPointVersion::V07 => self.sign(eip191_hash_message(user_op_hash)),
            EntryPointVersion::V08 | EntryPointVersion::V09 => self.sign(user_op_hash),
        }
    }

    pub fn delegate_to(&self, delegate: Address, nonce: u64) -> SignedAuthorization {
        let authorization = Authorization { chain_id: U256::from(31337), address: delegate, nonce };
        let signature = self.signature(authorization.signature_hash());
        authorization.into_signed(signature)
    }

    fn signature(&self, hash: B256) -> Signature {
        let (signature, recovery) = self.0.sign_prehash_recoverable(hash.as_slice());
        Signature::from_bytes_and_parity(&signature.to_bytes(), recovery.is_y_odd())
    }
}

/// The recipient of payments in these tests.
pub const PAYEE: Address = Address::repeat_byte(0x5a);

/// The first operation of an account: deploys it and sends `wei` to [`PAYEE`].
pub async fn first_operation(deployment: &Deployment, owner: &Owner, wei: u64) -> Draft {
    let factory = &deployment.account_factory;
    let sender = factory.account_address(owner.address(), U256::ZERO).await.unwrap();
    let nonce = deployment.entry_point.nonce(sender).await.unwrap();
    let call = Call { target: PAYEE, value: U256::from(wei), data: Bytes::new() };
    let mut draft = Draft::new(sender, nonce, execute(&call));
    draft.deploy = Some((factory.address(), SimpleAccountFactory::factory_data(owner.address(), U256::ZERO)));
    draft
}

/// Signs the operation in its current form.
pub async fn signed(deployment: &Deployment, owner: &Owner, mut operation: Value) -> Value {
    let entry_point = &deployment.entry_point;
    let hash = entry_point.user_op_hash(&operation).await.unwrap();
    operation["signature"] = json!(owner.sign_operation(entry_point.version(), hash));
    operation
}
