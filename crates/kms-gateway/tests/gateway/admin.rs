//! Commands of the admin over HTTP.

use std::sync::Arc;

use kms_api::{Route as _, admin};
use kms_gateway::Caller;
use kms_gateway::admin_key::{AdminKey, InvalidAdminKey};
use kms_gateway::bootstrap::{BootstrapError, Wanted, bootstrap};
use kms_gateway::transport::{Asker, TeeTransport as _};
use proto::command::{
    AuthorizeSigner, Ceilings, PreparePaymasterKey, RevokeSigner, RotatePaymasterKey, RotateSigner, SetCeilings,
    VerifySecurityState,
};
use proto::frame::{decode_reply, encode_request};
use proto::json::hex_bytes;
use proto::signers::AuthorisedSigner;
use proto::{Permissions, Signature, TeeId, Wei};
use serde_json::{Value, json};

use crate::support::{Answer, Gate, GatedTee, Kms, RelayKey, accept_audit_rows, ceilings, refuse_audit_rows, until};

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
async fn a_command_that_the_admin_did_not_sign_is_refused() {
    let kms = Kms::start().await;
    let stranger = RelayKey::random();
    let mut body = kms.authorization(&stranger, &["sponsor"]).await;
    body["permissions"] = json!(["sponsor", "rotate"]);
    kms.post("/admin/authorize-signer", &body).await.refused(403, "admin_signature_invalid");
    let signers = kms.get("/admin/signers").await.ok();
    assert_eq!(signers["signers"].as_array().unwrap().len(), 1);
}

/// Commands without a valid signature, or already used.
async fn forged(kms: &Kms) -> Vec<(&'static str, Value, u16, &'static str)> {
    let stranger = RelayKey::random();
    let signer = stranger.address().to_string();
    let signature = stranger.personal_sign(&[7; 32]).to_string();
    let (tee_id, counter) = (kms.tee_id().await, kms.counter().await + 1);
    let none = json!({ "deployments": [], "maxCost": 1, "maxWindow": 1, "maxAccounts": 1 });
    let with = |mut fields: Value| {
        fields["teeId"] = tee_id.to_string().into();
        fields["counter"] = counter.into();
        fields["signature"] = signature.clone().into();
        fields
    };
    let provisioning = with(json!({ "admin": signer, "relyingParties": [], "ceilings": none }));
    let mut rotation = kms.rotation(&kms.relay, &stranger).await;
    rotation["currentSignature"] = signature.clone().into();
    let mut elsewhere = kms.rotation(&kms.relay, &stranger).await;
    elsewhere["teeId"] = TeeId([1; 32]).to_string().into();
    let mut revocation = kms.revocation(&kms.relay).await;
    revocation["signature"] = signature.clone().into();
    let authorisation = with(json!({ "signer": signer, "permissions": ["sponsor"] }));
    let ceilings = with(json!({ "ceilings": none }));
    let mut for_another = ceilings.clone();
    for_another["teeId"] = TeeId([1; 32]).to_string().into();
    vec![
        ("prepare-paymaster-key", with(json!({})), 403, "admin_signature_invalid"),
        ("rotate-paymaster-key", with(json!({ "next": signer })), 403, "admin_signature_invalid"),
        ("set-ceilings", for_another, 403, "tee_id_mismatch"),
        ("rotate-signer", elsewhere, 403, "tee_id_mismatch"),
        ("provision", provisioning, 409, "already_provisioned"),
        ("authorize-signer", authorisation, 403, "admin_signature_invalid"),
        ("revoke-signer", revocation, 403, "admin_signature_invalid"),
        ("rotate-signer", rotation, 403, "rotation_proof_invalid"),
        ("set-ceilings", ceilings, 403, "admin_signature_invalid"),
    ]
}

#[tokio::test]
async fn forged_and_old_commands_are_refused_without_waiting_a_tee_call_or_a_row() {
    let gate = Gate::default();
    let kms = Kms::over_tee(Arc::new(GatedTee::start(8, gate.clone()))).await;
    let key = RelayKey::random();
    let once = kms.authorization(&key, &["sponsor"]).await;
    kms.post("/admin/authorize-signer", &once).await.ok();
    let forged = forged(&kms).await;
    kms.post("/admin/authorize-signer", &once).await.refused(409, "counter_mismatch");
    let before = kms.gateway.verify_audit_chain().await.unwrap();

    // A command of the admin is in progress, and the TEE does not answer.
    let real = kms.revocation(&key).await;
    gate.shut();
    let under_way = tokio::spawn(kms.client.post(format!("{}/admin/revoke-signer", kms.url)).json(&real).send());
    until(async || kms.gateway.queue_stats().depth == 1).await;
    for _ in 0..20 {
        for (route, body, status, code) in &forged {
            kms.post(&format!("/admin/{route}"), body).await.refused(*status, code);
        }
        kms.post("/admin/authorize-signer", &once).await.refused(409, "counter_mismatch");
    }
    assert_eq!(kms.gateway.queue_stats().depth, 1);
    assert!(!under_way.is_finished());
    gate.open();
    assert_eq!(under_way.await.unwrap().unwrap().status(), 200);
    let after = kms.gateway.verify_audit_chain().await.unwrap();
    assert_eq!(after.rows, before.rows + 1);
    assert!(kms.decided("authorize_signer", "admin_signature_invalid") >= 20.0);
}

#[tokio::test]
async fn a_rotation_that_the_tee_would_always_refuse_is_refused_immediately_without_a_row() {
    let kms = Kms::start().await;
    let (next, other) = (RelayKey::random(), RelayKey::random());
    kms.authorize(&other, &["sponsor"]).await.ok();
    let never = [
        (kms.rotation_number(1_000_000, &kms.relay, &next).await, "counter_mismatch"),
        (kms.rotation(&kms.relay, &other).await, "signer_already_authorised"),
    ];
    let before = kms.gateway.verify_audit_chain().await.unwrap();
    for _ in 0..20 {
        for (rotation, code) in &never {
            kms.post("/admin/rotate-signer", rotation).await.refused(409, code);
        }
    }
    assert_eq!(kms.gateway.verify_audit_chain().await.unwrap(), before);
    kms.post("/admin/rotate-signer", &kms.rotation(&kms.relay, &next).await).await.ok();
}

#[tokio::test]
async fn a_command_without_effect_costs_no_tee_call_and_has_one_row() {
    let kms = Kms::start().await;
    let key = RelayKey::random();
    kms.authorize(&key, &["sponsor"]).await.ok();
    let (rows, calls) = (kms.gateway.verify_audit_chain().await.unwrap().rows, kms.calls_of("AuthorizeSigner"));
    let rows_since = async || kms.gateway.verify_audit_chain().await.unwrap().rows - rows;
    let again = kms.authorization(&key, &["sponsor"]).await;
    for _ in 0..20 {
        kms.post("/admin/authorize-signer", &again).await.refused(409, "signer_already_authorised");
    }
    assert_eq!(rows_since().await, 1);
    // Others for the same counter, all signed by the admin.
    for number in 0..40 {
        kms.rotate_paymaster_key(proto::Address([number; 20])).await.refused(409, "standby_key_mismatch");
    }
    assert_eq!(rows_since().await, 16);
    assert_eq!((kms.calls_of("AuthorizeSigner"), kms.calls_of("RotatePaymasterKey")), (calls, 0));
    kms.authorize(&RelayKey::random(), &["sponsor"]).await.ok();
    assert_eq!(rows_since().await, 17);
}

#[tokio::test]
async fn a_command_whose_row_failed_gets_it_when_sent_again() {
    let kms = Kms::start().await;
    let key = RelayKey::random();
    kms.authorize(&key, &["sponsor"]).await.ok();
    let rows = kms.gateway.verify_audit_chain().await.unwrap().rows;
    let again = kms.authorization(&key, &["sponsor"]).await;
    let database = kms.database().await;
    refuse_audit_rows(&database).await;
    kms.post("/admin/authorize-signer", &again).await.refused(503, "store_unavailable");
    accept_audit_rows(&database).await;
    for _ in 0..2 {
        kms.post("/admin/authorize-signer", &again).await.refused(409, "signer_already_authorised");
    }
    assert_eq!(kms.gateway.verify_audit_chain().await.unwrap().rows, rows + 1);
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
async fn keys_with_another_role_are_refused_as_relay_keys() {
    let kms = Kms::start().await;
    let standby = kms.prepare_paymaster_key().await;
    let paymaster_signer = kms.gateway.provisioned().await.unwrap().paymaster_signer;
    for signer in [proto::Address::default(), kms.admin.address(), paymaster_signer, standby] {
        let (tee_id, counter, permissions) = (kms.tee_id().await, kms.counter().await + 1, Permissions::SPONSOR);
        let mut command = AuthorizeSigner { tee_id, signer, permissions, counter, signature: UNSIGNED };
        command.signature = kms.admin.sign(&command);
        let body = json!(admin::AuthorizeSigner::from(&command));
        kms.post(admin::AuthorizeSigner::PATH, &body).await.refused(409, "signer_reserved");
    }
}

#[tokio::test]
async fn a_command_signed_ahead_gets_no_row_until_its_counter_is_next() {
    let kms = Kms::start().await;
    let counter = kms.counter().await;
    let ahead = kms.authorization_for(counter + 2, &RelayKey::random(), &["sponsor"]).await;
    let before = kms.gateway.verify_audit_chain().await.unwrap();
    for _ in 0..20 {
        kms.post("/admin/authorize-signer", &ahead).await.refused(409, "counter_mismatch");
    }
    assert_eq!(kms.gateway.verify_audit_chain().await.unwrap(), before);
    kms.authorize(&RelayKey::random(), &["sponsor"]).await.ok();
    kms.post("/admin/authorize-signer", &ahead).await.ok();
}

#[tokio::test]
async fn a_flood_of_forged_commands_does_not_delay_a_revocation() {
    let kms = Kms::start().await;
    let forged = forged(&kms).await;
    let key = RelayKey::random();
    kms.authorize(&key, &["sponsor"]).await.ok();
    let before = kms.gateway.verify_audit_chain().await.unwrap();
    let flood: Vec<_> = (0..300)
        .map(|number| {
            let (route, body, ..) = &forged[number % forged.len()];
            tokio::spawn(kms.client.post(format!("{}/admin/{route}", kms.url)).json(body).send())
        })
        .collect();
    kms.revoke(&key).await.ok();
    for answer in flood {
        let status = answer.await.unwrap().unwrap().status();
        assert!([403, 409].contains(&status.as_u16()), "{status}");
    }
    assert_eq!(kms.gateway.verify_audit_chain().await.unwrap().rows, before.rows + 1);
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
async fn a_permission_that_does_not_exist_is_named() {
    let kms = Kms::start().await;
    let mut body = kms.authorization(&RelayKey::random(), &["sponsor"]).await;
    body["permissions"] = json!(["sponsor", "root"]);
    let error = kms.post("/admin/authorize-signer", &body).await.refused(400, "invalid_field");
    assert!(error["message"].as_str().unwrap().starts_with("permissions[1]"), "{error}");
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
