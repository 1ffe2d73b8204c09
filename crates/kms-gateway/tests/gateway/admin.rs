//! Commands of the admin over HTTP.

mod refused;

use std::sync::Arc;

use kms_api::Route as _;
use kms_api::admin;
use kms_gateway::Caller;
use kms_gateway::admin_key::{AdminKey, InvalidAdminKey};
use kms_gateway::bootstrap::{BootstrapError, Wanted, bootstrap};
use kms_gateway::transport::Asker;
use kms_gateway::transport::TeeTransport as _;
use proto::command::{
    AuthorizeSigner, Ceilings, PreparePaymasterKey, RevokeSigner, RotatePaymasterKey, RotateSigner, SetCeilings,
    VerifySecurityState,
};
use proto::frame::{decode_reply, encode_request};
use proto::json::hex_bytes;
use proto::signers::AuthorisedSigner;
use proto::{Permissions, Signature, TeeId, Wei};
use serde_json::{Value, json};

use crate::support::{Answer, Gate, GatedTee, Kms, RelayKey, accept_audit_rows, ceilings, refuse_audit_rows};

const UNSIGNED: Signature = Signature::UNSIGNED;

#[tokio::test]
async fn bootstrapping_with_other_permissions_changes_those_of_a_known_relay_key() {
    let kms = Kms::start().await;
    let wanted = Wanted {
        relying_parties: vec![kms.gateway.settings().relying_party().unwrap()],
        ceilings: ceilings(),
        relay_signer: kms.relay.address(),
        permissions: Permissions::SPONSOR,
    };
    bootstrap(&kms.gateway, &kms.admin, wanted.clone()).await.unwrap();
    let listed = kms.get("/admin/signers").await.ok();
    assert_eq!(listed["signers"].as_array().unwrap().len(), 1);
    assert_eq!(listed["signers"][0]["permissions"], json!(["sponsor"]));
    bootstrap(&kms.gateway, &kms.admin, wanted).await.unwrap();
    assert_eq!(kms.get("/admin/signers").await.ok(), listed);
}

impl Kms {
    pub async fn counter(&self) -> u64 {
        self.get("/RollbackCounter").await.ok()["counter"].as_u64().unwrap()
    }

    /// Authorises a relay key, by the admin, over HTTP.
    pub async fn authorize(&self, key: &RelayKey, permissions: &[&str]) -> Answer {
        self.post("/admin/authorize-signer", &self.authorization(key, permissions).await).await
    }

    /// Revokes a relay key, by the admin, over HTTP.
    pub async fn revoke(&self, key: &RelayKey) -> Answer {
        self.post("/admin/revoke-signer", &self.revocation(key).await).await
    }

    /// The record of a relay key.
    pub async fn record_of(&self, key: &RelayKey) -> AuthorisedSigner {
        let state = self.gateway.security_state().await.unwrap();
        let signers = state.provisioned.unwrap().signers;
        *signers.iter().find(|signer| signer.address == key.address()).unwrap()
    }

    pub async fn tee_id(&self) -> TeeId {
        self.gateway.security_state().await.unwrap().tee_id
    }

    /// Sets the ceiling on accounts.
    pub async fn allow_accounts(&self, max_accounts: u32) {
        let (tee_id, counter) = (self.tee_id().await, self.counter().await + 1);
        let ceilings = Ceilings { max_accounts, ..ceilings() };
        let mut command = SetCeilings { tee_id, ceilings, counter, signature: UNSIGNED };
        command.signature = self.admin.sign(&command);
        self.gateway.administer(command, &Caller::internal("test")).await.unwrap();
    }

    async fn revocation(&self, key: &RelayKey) -> Value {
        let (tee_id, counter) = (self.tee_id().await, self.counter().await + 1);
        let AuthorisedSigner { record, authorised_as, .. } = self.record_of(key).await;
        let mut command = RevokeSigner { tee_id, record, authorised_as, counter, signature: UNSIGNED };
        command.signature = self.admin.sign(&command);
        json!(admin::RevokeSigner::from(&command))
    }

    /// The next rotation of the current key's record, signed by both keys.
    pub async fn next_rotation(&self, current: &RelayKey, next: &RelayKey) -> RotateSigner {
        let rotations = self.record_of(current).await.rotations;
        self.rotation_command(rotations + 1, current, next).await
    }

    async fn rotation_command(&self, rotation: u64, current: &RelayKey, next: &RelayKey) -> RotateSigner {
        let mut command = RotateSigner {
            tee_id: self.tee_id().await,
            record: self.record_of(current).await.record,
            rotation,
            current: current.address(),
            next: next.address(),
            current_signature: UNSIGNED,
            next_signature: UNSIGNED,
            admin_signature: None,
        };
        command.current_signature = current.sign_command(&command);
        command.next_signature = next.sign_command(&command);
        command
    }

    /// The same in the form of its route.
    pub async fn rotation(&self, current: &RelayKey, next: &RelayKey) -> Value {
        let rotations = self.record_of(current).await.rotations;
        self.rotation_number(rotations + 1, current, next).await
    }

    async fn rotation_number(&self, rotation: u64, current: &RelayKey, next: &RelayKey) -> Value {
        let command = self.rotation_command(rotation, current, next).await;
        json!(admin::RotateSigner::from(&command))
    }

    pub async fn authorization(&self, key: &RelayKey, permissions: &[&str]) -> Value {
        self.authorization_for(self.counter().await + 1, key, permissions).await
    }

    async fn authorization_for(&self, counter: u64, key: &RelayKey, permissions: &[&str]) -> Value {
        let permissions = Permissions::of_names(permissions.iter().copied()).unwrap();
        let (tee_id, signer) = (self.tee_id().await, key.address());
        let mut command = AuthorizeSigner { tee_id, signer, permissions, counter, signature: UNSIGNED };
        command.signature = self.admin.sign(&command);
        json!(admin::AuthorizeSigner::from(&command))
    }
}

#[tokio::test]
async fn an_admin_command_is_valid_once() {
    let kms = Kms::start().await;
    let body = kms.authorization(&RelayKey::random(), &["sponsor"]).await;
    kms.post("/admin/authorize-signer", &body).await.ok();
    kms.post("/admin/authorize-signer", &body).await.refused(409, "counter_mismatch");
}

#[tokio::test]
async fn a_command_whose_row_failed_gets_it_when_sent_again() {
    let kms = Kms::start().await;
    let key = RelayKey::random();
    kms.authorize(&key, &["sponsor"]).await.ok();
    let rows = kms.verify_audit().await.unwrap().rows;
    let again = kms.authorization(&key, &["sponsor"]).await;
    let database = kms.database().await;
    refuse_audit_rows(&database).await;
    kms.post("/admin/authorize-signer", &again).await.refused(503, "store_unavailable");
    accept_audit_rows(&database).await;
    for _ in 0..2 {
        kms.post("/admin/authorize-signer", &again).await.refused(409, "signer_already_authorised");
    }
    assert_eq!(kms.verify_audit().await.unwrap().rows, rows + 1);
}

#[tokio::test]
async fn an_authorisation_that_can_take_effect_again_is_accepted() {
    let kms = Kms::start().await;
    let [key, next] = [(); 2].map(|()| RelayKey::random());
    kms.authorize(&key, &["sponsor", "rotate"]).await.ok();
    let again = kms.authorization(&key, &["sponsor"]).await;
    kms.post("/admin/authorize-signer", &again).await.refused(409, "signer_already_authorised");
    // The counter does not change.
    kms.rotate(&key, &next).await.unwrap();
    kms.post("/admin/authorize-signer", &again).await.ok();
}

#[tokio::test]
async fn a_signer_is_listed_with_its_permissions_by_name() {
    let kms = Kms::start().await;
    let key = RelayKey::random();
    kms.authorize(&key, &["sponsor", "rotate"]).await.ok();
    let listed = kms.get("/admin/signers").await.ok();
    assert_eq!(listed["phase"], "ready");
    assert_eq!(listed["admin"], kms.admin.address().to_string());
    assert_eq!(listed["counter"], kms.counter().await);
    let address = key.address().to_string();
    let expected = json!({
        "record": kms.counter().await,
        "authorisedAs": address,
        "address": address,
        "permissions": ["sponsor", "rotate"],
        "rotations": 0,
    });
    assert!(listed["signers"].as_array().unwrap().contains(&expected), "{listed}");
}

#[tokio::test]
async fn a_revoked_relay_key_is_refused_immediately() {
    let kms = Kms::start().await;
    let request = kms.honest_request().await;
    kms.sponsor(&request).await.ok();
    kms.revoke(&kms.relay).await.ok();
    kms.sponsor(&request.next(&kms.relay)).await.refused(403, "signer_not_authorised");
}

#[tokio::test]
async fn a_rotation_signed_by_both_keys_replaces_the_key() {
    let kms = Kms::start().await;
    let request = kms.honest_request().await;
    let next = RelayKey::random();
    let mut rotation = kms.rotation(&kms.relay, &next).await;
    let signature = rotation["nextSignature"].take();
    rotation["nextSignature"] = rotation["currentSignature"].clone();
    kms.post("/admin/rotate-signer", &rotation).await.refused(403, "rotation_proof_invalid");
    rotation["nextSignature"] = signature;
    kms.post("/admin/rotate-signer", &rotation).await.ok();
    kms.post("/admin/rotate-signer", &rotation).await.refused(403, "signer_not_authorised");

    kms.sponsor(&request).await.refused(403, "signer_not_authorised");
    kms.sponsor(&request.next(&next)).await.ok();
}

#[tokio::test]
async fn new_ceilings_apply_immediately() {
    let kms = Kms::start().await;
    let request = kms.honest_request().await;
    let counter = kms.counter().await + 1;
    let lower = Ceilings { max_cost: Wei(1), ..ceilings() };
    let tee_id = kms.tee_id().await;
    let mut command = SetCeilings { tee_id, ceilings: lower, counter, signature: UNSIGNED };
    command.signature = kms.admin.sign(&command);
    let body = json!(admin::SetCeilings::from(&command));
    kms.post("/admin/set-ceilings", &body).await.ok();
    kms.sponsor(&request).await.refused(403, "cost_above_ceiling");
}

#[tokio::test]
async fn a_tee_is_provisioned_once() {
    let kms = Kms::start().await;
    let body = json!({
        "teeId": kms.tee_id().await.to_string(),
        "admin": kms.admin.address().to_string(),
        "relyingParties": [{ "id": "localhost", "origins": ["http://localhost:5173"] }],
        "ceilings": { "deployments": [], "maxCost": 1, "maxWindow": 1, "maxAccounts": 1 },
        "counter": 1,
        "signature": UNSIGNED,
    });
    kms.post("/admin/provision", &body).await.refused(409, "already_provisioned");
}

#[tokio::test]
async fn bootstrapping_again_or_by_another_admin_changes_nothing() {
    let kms = Kms::start().await;
    let before = kms.get("/admin/signers").await.ok();
    let wanted = || Wanted {
        relying_parties: vec![kms.gateway.settings().relying_party().unwrap()],
        ceilings: ceilings(),
        relay_signer: kms.relay.address(),
        permissions: Permissions::SPONSOR | Permissions::SIGN_USER_OPERATION | Permissions::ROTATE,
    };
    bootstrap(&kms.gateway, &kms.admin, wanted()).await.unwrap();
    let stranger = AdminKey::new(&vec![7; 32].into()).unwrap();
    let refused = bootstrap(&kms.gateway, &stranger, wanted()).await;
    assert!(matches!(refused, Err(BootstrapError::OtherAdmin { actual }) if actual == kms.admin.address()));
    assert_eq!(kms.get("/admin/signers").await.ok(), before);
    assert!(matches!(AdminKey::new(&vec![0; 32].into()), Err(InvalidAdminKey)));
}

impl Kms {
    pub async fn prepare_paymaster_key(&self) -> proto::Address {
        let (tee_id, counter) = (self.tee_id().await, self.counter().await + 1);
        let mut command = PreparePaymasterKey { tee_id, counter, signature: UNSIGNED };
        command.signature = self.admin.sign(&command);
        let body = json!(admin::PreparePaymasterKey::from(&command));
        self.post(admin::PreparePaymasterKey::PATH, &body).await.ok();
        self.gateway.security_state().await.unwrap().provisioned.unwrap().standby_paymaster_signer.unwrap()
    }

    pub async fn rotate_paymaster_key(&self, next: proto::Address) -> Answer {
        let (tee_id, counter) = (self.tee_id().await, self.counter().await + 1);
        let mut command = RotatePaymasterKey { tee_id, next, counter, signature: UNSIGNED };
        command.signature = self.admin.sign(&command);
        self.post(admin::RotatePaymasterKey::PATH, &json!(admin::RotatePaymasterKey::from(&command))).await
    }
}

#[tokio::test]
async fn the_paymaster_key_is_rotated_to_a_standby_that_was_attested_before() {
    let kms = Kms::start().await;
    let request = kms.honest_request().await;
    let first = kms.sponsor(&request).await.ok()["paymasterSigner"].clone();
    let standby = kms.prepare_paymaster_key().await;
    let question = format!("/attestation?nonce={}", hex_bytes(&[0x17; 32]));
    let attested = kms.get(&question).await.ok();
    assert_eq!(attested["standbyPaymasterSigner"], standby.to_string());
    assert_eq!(attested["paymasterSigner"], first);
    let request = request.next(&kms.relay);
    assert_eq!(kms.sponsor(&request).await.ok()["paymasterSigner"], first);

    kms.rotate_paymaster_key(proto::Address([9; 20])).await.refused(409, "standby_key_mismatch");
    kms.rotate_paymaster_key(standby).await.ok();
    let request = request.next(&kms.relay);
    assert_eq!(kms.sponsor(&request).await.ok()["paymasterSigner"], standby.to_string());
    let listed = kms.get("/admin/signers").await.ok();
    assert_eq!(listed["paymasterSigner"], standby.to_string());
    assert_eq!(listed["standbyPaymasterSigner"], Value::Null);

    // It is still the same TEE: the gateway starts with it again.
    let kms = kms.restart().await;
    assert_eq!(kms.sponsor(&request.next(&kms.relay)).await.ok()["paymasterSigner"], standby.to_string());
}

#[tokio::test]
async fn a_paymaster_key_rotated_by_another_process_is_learnt_from_its_signatures() {
    let tee = Arc::new(GatedTee::start(8, Gate::default()));
    let kms = Kms::over_tee(Arc::<GatedTee>::clone(&tee)).await;
    let request = kms.honest_request().await;
    let first = kms.sponsor(&request).await.ok()["paymasterSigner"].clone();
    // Bypassing the gateway, whose cached copy does not change.
    let (tee_id, counter) = (kms.tee_id().await, kms.counter().await + 1);
    let mut prepare = PreparePaymasterKey { tee_id, counter, signature: UNSIGNED };
    prepare.signature = kms.admin.sign(&prepare);
    assert_eq!(tee.invoke(encode_request(&prepare).unwrap(), Asker::Anyone).await.unwrap(), [0; 4]);
    let state = tee.invoke(encode_request(&VerifySecurityState).unwrap(), Asker::Anyone).await.unwrap();
    let state = decode_reply::<VerifySecurityState>(&state).unwrap().unwrap();
    let next = state.provisioned.unwrap().standby_paymaster_signer.unwrap();
    let mut rotate = RotatePaymasterKey { tee_id, next, counter: counter + 1, signature: UNSIGNED };
    rotate.signature = kms.admin.sign(&rotate);
    assert_eq!(tee.invoke(encode_request(&rotate).unwrap(), Asker::Anyone).await.unwrap(), [0; 4]);

    let answer = kms.sponsor(&request.next(&kms.relay)).await.ok();
    assert_eq!(answer["paymasterSigner"], next.to_string());
    assert_ne!(answer["paymasterSigner"], first);
}

#[tokio::test]
async fn no_account_is_created_above_the_ceiling() {
    let kms = Kms::start().await;
    let request = kms.honest_request().await;
    kms.allow_accounts(1).await;
    let (_, registration_id) = kms.register().await;
    let create = json!({ "registrationId": registration_id });
    let error = kms.post("/kms/create-deterministic-account", &create).await.refused(409, "too_many_accounts");
    assert_eq!(error["message"], "the ceiling on accounts is reached: maxAccounts is 1");
    let listed = kms.get("/admin/signers").await.ok();
    assert_eq!((&listed["accounts"], &listed["maxAccounts"]), (&json!(1), &json!(1)));
    assert_eq!(listed["rpId"], "localhost");
    kms.sponsor(&request).await.ok();
}
