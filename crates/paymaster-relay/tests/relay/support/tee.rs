//! The KMS of the tests: the real trusted core, called with frames. The faults are the network's,
//! never the core's.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use devkit::SoftPasskey;
use k256::ecdsa::SigningKey;
use kms_api::Reason;
use paymaster_relay::kms::{Kms, KmsError, KmsSigners};
use proto::bytes::{Bounded, BoundedList};
use proto::command::{
    AdminRequest, AuthorizeSigner, Ceilings, CreateHybridAccount, Deployment, GetAllowances, GetWalletInfo,
    PreparePaymasterKey, Protection, Provision, Registration, RelyingParty, Request, RevokeSigner, RotatePaymasterKey,
    RotateSigner, SecurityState, SetAllowance, SetCeilings, SignatureScheme, Sponsor, SponsorReply,
    VerifySecurityState, WalletInfo,
};
use proto::digest::personal_message_hash;
use proto::{AccountId, Address, Hash, Permissions, Signature, Status, Wei, frame};
use serde_json::{Value, json};
use ta::memory::{MemoryCounter, MemoryDevice, MemoryStore, SeededEntropy};
use ta::{Core, Platform};
use tokio::sync::watch;

use super::world::{ORIGIN, RP_ID};

pub const UNSIGNED: Signature = Signature::UNSIGNED;

/// A provisioned trusted core behind a network that can fail.
pub struct Tee {
    core: Mutex<Core<MemoryStore, SeededEntropy, MemoryCounter>>,
    admin: SigningKey,
    /// No request gets through.
    pub down: AtomicBool,
    /// Requests that change something get through, but their answers do not.
    pub loses_answers: AtomicBool,
    /// The account's signature in the answers is replaced by another one.
    pub forges_account_signature: AtomicBool,
    /// The gateway's clock is wrong: it refuses every approval as too old.
    pub clock_off: AtomicBool,
    /// Requested sponsorships are held on their way.
    held: watch::Sender<bool>,
    /// Number of requested sponsorships.
    pub sponsorships: AtomicU64,
    /// Number of account lookups.
    pub lookups: AtomicU64,
}

impl Tee {
    pub fn provisioned(deployments: Vec<Deployment>) -> Self {
        let device = MemoryDevice::default();
        let platform = Platform {
            version: Bounded::new("0.0.0".to_owned()).unwrap(),
            measurement: Hash([1; 32]),
            storage: Protection::None,
            rollback: Protection::None,
            time: Protection::None,
        };
        let core = Core::open(device.store(), SeededEntropy::new([7; 32]), device.counter(), platform).unwrap();
        let tee = Self {
            core: Mutex::new(core),
            admin: SigningKey::from_slice(&[3; 32]).unwrap(),
            down: AtomicBool::new(false),
            loses_answers: AtomicBool::new(false),
            forges_account_signature: AtomicBool::new(false),
            clock_off: AtomicBool::new(false),
            held: watch::Sender::new(false),
            sponsorships: AtomicU64::new(0),
            lookups: AtomicU64::new(0),
        };
        let name = |text: &str| Bounded::new(text.to_owned()).unwrap();
        let relying_party = RelyingParty { id: name(RP_ID), origins: BoundedList::new(vec![name(ORIGIN)]).unwrap() };
        let mut command = Provision {
            tee_id: tee.state().tee_id,
            admin: address(&tee.admin),
            relying_parties: BoundedList::new(vec![relying_party]).unwrap(),
            ceilings: Ceilings {
                deployments: BoundedList::new(deployments).unwrap(),
                max_cost: Wei(10u128.pow(18)),
                max_window: 3600,
                max_accounts: 1000,
            },
            counter: 1,
            signature: UNSIGNED,
        };
        command.signature = tee.admin_signature(&command);
        tee.call(&command).unwrap();
        tee
    }

    /// From now on sponsorships do not arrive until they are released.
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    pub fn release(&self) {
        self.held.send_replace(false);
    }

    pub fn call<R: Request>(&self, request: &R) -> Result<R::Reply, Status> {
        let frame = frame::encode_request(request).unwrap();
        let reply = self.core.lock().unwrap().handle(&frame);
        frame::decode_reply::<R>(&reply).unwrap()
    }

    pub fn state(&self) -> SecurityState {
        self.call(&VerifySecurityState).unwrap()
    }

    pub fn paymaster_signer(&self) -> Address {
        self.state().provisioned.unwrap().paymaster_signer
    }

    pub fn authorise(&self, signer: Address, permissions: Permissions) {
        let SecurityState { tee_id, counter, .. } = self.state();
        let mut command = AuthorizeSigner { tee_id, signer, permissions, counter: counter + 1, signature: UNSIGNED };
        command.signature = self.admin_signature(&command);
        self.call(&command).unwrap();
    }

    pub fn revoke(&self, signer: Address) {
        let SecurityState { tee_id, counter, provisioned, .. } = self.state();
        let signers = provisioned.unwrap().signers;
        let record = signers.iter().find(|known| known.address == signer).unwrap();
        let (record, authorised_as) = (record.record, record.authorised_as);
        let mut command = RevokeSigner { tee_id, record, authorised_as, counter: counter + 1, signature: UNSIGNED };
        command.signature = self.admin_signature(&command);
        self.call(&command).unwrap();
    }

    /// Creates a standby and replaces the paymaster key by it; returns its address.
    pub fn rotate_paymaster_key(&self) -> Address {
        let SecurityState { tee_id, counter, .. } = self.state();
        let mut prepare = PreparePaymasterKey { tee_id, counter: counter + 1, signature: UNSIGNED };
        prepare.signature = self.admin_signature(&prepare);
        self.call(&prepare).unwrap();
        let next = self.state().provisioned.unwrap().standby_paymaster_signer.unwrap();
        let mut rotate = RotatePaymasterKey { tee_id, next, counter: counter + 2, signature: UNSIGNED };
        rotate.signature = self.admin_signature(&rotate);
        self.call(&rotate).unwrap();
        next
    }

    pub fn change_ceilings(&self, change: impl FnOnce(&mut Ceilings)) {
        let SecurityState { tee_id, counter, provisioned, .. } = self.state();
        let mut ceilings = provisioned.unwrap().ceilings;
        change(&mut ceilings);
        let mut command = SetCeilings { tee_id, ceilings, counter: counter + 1, signature: UNSIGNED };
        command.signature = self.admin_signature(&command);
        self.call(&command).unwrap();
    }

    pub fn set_allowance(&self, deployment: Deployment, total: u128) {
        let SecurityState { tee_id, counter, .. } = self.state();
        let (total, counter) = (Wei(total), counter + 1);
        let mut command = SetAllowance { tee_id, deployment, total, counter, signature: UNSIGNED };
        command.signature = self.admin_signature(&command);
        self.call(&command).unwrap();
    }

    pub fn authorises(&self, signer: Address) -> bool {
        self.state().provisioned.unwrap().signers.iter().any(|known| known.address == signer)
    }

    /// An account with its first passkey.
    pub fn create_account(&self, account_id: &str, scheme: SignatureScheme, passkey: &mut SoftPasskey) -> WalletInfo {
        let options = json!({
            "rp": { "id": RP_ID, "name": "test" },
            "user": { "id": "AAAA", "name": account_id, "displayName": account_id },
            "challenge": "AAAA",
            "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }],
        });
        let response = passkey.register(&options).unwrap()["response"].take();
        self.call(&CreateHybridAccount {
            account_id: account_id.parse().unwrap(),
            signature_scheme: scheme,
            registration: Registration {
                authenticator_data: Bounded::new(decoded(&response["authenticatorData"])).unwrap(),
                client_data_json: Bounded::new(decoded(&response["clientDataJSON"])).unwrap(),
            },
        })
        .unwrap()
    }

    fn admin_signature<R: AdminRequest>(&self, command: &R) -> Signature {
        sign(&self.admin, &command.digest())
    }

    fn ask<R: Request>(&self, request: &R) -> Result<R::Reply, KmsError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(unavailable(false));
        }
        self.call(request).map_err(KmsError::from_status)
    }

    fn command<R: Request>(&self, request: &R) -> Result<R::Reply, KmsError> {
        let reply = self.ask(request);
        let is_lost = self.loses_answers.load(Ordering::SeqCst) && !self.down.load(Ordering::SeqCst);
        if is_lost { Err(unavailable(true)) } else { reply }
    }
}

fn unavailable(in_doubt: bool) -> KmsError {
    KmsError::Unavailable { message: "no connection".to_owned(), in_doubt }
}

#[async_trait]
impl Kms for Tee {
    async fn sponsor(&self, command: &Sponsor, _: Address, _request_id: &str) -> Result<SponsorReply, KmsError> {
        self.sponsorships.fetch_add(1, Ordering::SeqCst);
        // The sender belongs to `self`, so it is still there.
        let _ = self.held.subscribe().wait_for(|held| !held).await;
        if self.clock_off.load(Ordering::SeqCst) {
            let message = "the timestamp is more than 300 s away".to_owned();
            return Err(KmsError::Refused { reason: Reason::TimestampSkewed.into(), message });
        }
        let mut reply = self.command(command)?;
        if self.forges_account_signature.load(Ordering::SeqCst) {
            reply.account_signature = Some(personal_sign(&self.admin, &Hash(reply.user_op_hash.0)));
        }
        Ok(reply)
    }

    async fn wallet(&self, account_id: &AccountId) -> Result<WalletInfo, KmsError> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        self.ask(&GetWalletInfo { account_id: account_id.clone() })
    }

    async fn signers(&self) -> Result<KmsSigners, KmsError> {
        let state = self.ask(&VerifySecurityState)?;
        let allowances = self.ask(&GetAllowances)?;
        let provisioned = state.provisioned.unwrap();
        Ok(KmsSigners {
            tee_id: state.tee_id,
            paymaster_signer: provisioned.paymaster_signer,
            standby_paymaster_signer: provisioned.standby_paymaster_signer,
            signers: provisioned.signers.to_vec(),
            rp_id: Some(RP_ID.to_owned()),
            ceilings: Some(provisioned.ceilings),
            allowances: Some(allowances),
        })
    }

    fn url(&self) -> Option<String> {
        Some("http://kms.test:3002".to_owned())
    }

    async fn rotate_signer(&self, command: &RotateSigner) -> Result<(), KmsError> {
        self.command(command)
    }

    async fn ready(&self) -> Result<(), KmsError> {
        self.ask(&VerifySecurityState).map(|_| ())
    }
}

/// EIP-191 over 32 bytes.
pub fn personal_sign(key: &SigningKey, message: &Hash) -> Signature {
    sign(key, &personal_message_hash(&message.0))
}

/// Signs the digest without a prefix.
pub fn sign(key: &SigningKey, digest: &Hash) -> Signature {
    let (signature, recovery) = key.sign_prehash_recoverable(&digest.0);
    let (r, s) = signature.split_bytes();
    Signature { r: r.into(), s: s.into(), v: 27 + recovery.to_byte() }
}

pub fn address(key: &SigningKey) -> Address {
    let point = key.verifying_key().to_sec1_point(false);
    Address::from_public_key(point.as_bytes()[1..].try_into().unwrap())
}

fn decoded(value: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap()
}
