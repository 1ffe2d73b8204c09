//! The answer of every route, stored under `snapshots/`: a change of what clients parse changes the
//! snapshot. `INSTA_UPDATE=always cargo test --workspace --test gateway answers` rewrites them.

use std::collections::BTreeMap;

use devkit::{SoftPasskey, redacted};
use insta::assert_json_snapshot;
use kms_api::admin::{self, Provision};
use kms_api::attestation::GetAttestation;
use kms_api::{Method, Route as _, routes};
use proto::Signature;
use proto::Wei;
use proto::command::{PreparePaymasterKey, SetAllowance, SetCeilings};
use proto::json::hex_bytes;
use serde_json::{Value, json};

use crate::messages::MessageRequest;
use crate::support::{Answer, Kms, ORIGIN, RP_ID, RelayKey, SponsorRequest, ceilings};

const UNSIGNED: Signature = Signature::UNSIGNED;

/// Each route's answer, by its path in the table.
#[derive(Default)]
struct Answers(BTreeMap<&'static str, Value>);

impl Answers {
    fn keep(&mut self, path: &'static str, answer: Answer) -> Value {
        let shown = json!({ "status": answer.status.as_u16(), "body": redacted(&answer.body) });
        self.0.insert(path, shown);
        answer.body
    }
}

#[tokio::test]
async fn the_answer_of_every_route_matches_its_snapshot() {
    let kms = Kms::start().await;
    let mut answers = Answers::default();

    let mut passkey = SoftPasskey::create(RP_ID, ORIGIN).unwrap();
    let begin = kms.post("/webauthn/register/begin", &json!({ "userName": "alice" })).await;
    let begun = answers.keep("/webauthn/register/begin", begin);
    let credential = passkey.register(&begun["publicKey"]).unwrap();
    let finish = json!({ "registrationId": begun["registrationId"], "credential": credential });
    let finish = kms.post("/webauthn/register/finish", &finish).await;
    let finished = answers.keep("/webauthn/register/finish", finish);
    let create = json!({ "registrationId": finished["registrationId"], "accountId": "alice" });
    let create = kms.post("/kms/create-deterministic-account", &create).await;
    let account = answers.keep("/kms/create-deterministic-account", create);
    answers.keep("/kms/accounts/{accountId}", kms.get("/kms/accounts/alice").await);

    let request = SponsorRequest::new(passkey, &account).signed(&kms.relay);
    answers.keep("/kms/sponsor-user-operation", kms.sponsor(&request).await);
    let (passkey, account) = kms.account().await;
    let mut request = SponsorRequest { nonce: 2, ..SponsorRequest::new(passkey, &account) };
    request.op["paymaster"] = "0x1111111111111111111111111111111111111111".into();
    let request = request.signed_as_given(&kms.relay);
    answers.keep("/kms/sign-user-operation", kms.send(request.to_be_signed(&kms)).await);

    let (passkey, account) = kms.account().await;
    let request = MessageRequest::personal_sign(passkey, &account, b"sign in").approved();
    answers.keep("/kms/sign-message", kms.post("/kms/sign-message", &request.body()).await);

    answers.keep("/admin/signers", kms.get("/admin/signers").await);
    keep_admin_commands(&kms, &mut answers).await;
    for path in ["/health", "/version", "/stats", "/QueueStatus", "/RollbackCounter"] {
        answers.keep(path, kms.get(path).await);
    }
    let question = format!("{}?nonce={}", GetAttestation::PATH, hex_bytes(&[0x17; 32]));
    answers.keep(GetAttestation::PATH, kms.get(&question).await);

    for (method, path) in routes::ALL {
        let answer = answers.0.remove(path).unwrap_or_else(|| panic!("{path} has no snapshot"));
        let method = match method {
            Method::Get => "get",
            Method::Post => "post",
        };
        let name = format!("{method}{}", path.replace('/', "-").replace(['{', '}'], ""));
        assert_json_snapshot!(name, answer);
    }
    assert!(answers.0.is_empty(), "{:?}", answers.0.keys());
}

async fn keep_admin_commands(kms: &Kms, answers: &mut Answers) {
    let tee_id = kms.tee_id().await;
    // A TEE in service is already provisioned.
    let provision = json!({
        "teeId": tee_id.to_string(),
        "admin": kms.admin.address().to_string(),
        "relyingParties": [{ "id": RP_ID, "origins": [ORIGIN] }],
        "ceilings": { "deployments": [], "maxCost": 1, "maxWindow": 1, "maxAccounts": 1 },
        "counter": 1,
        "signature": UNSIGNED,
    });
    answers.keep(Provision::PATH, kms.post(Provision::PATH, &provision).await);

    let key = RelayKey::random();
    answers.keep("/admin/authorize-signer", kms.authorize(&key, &["sponsor", "rotate"]).await);
    let next = RelayKey::random();
    let rotation = kms.rotation(&key, &next).await;
    answers.keep("/admin/rotate-signer", kms.post("/admin/rotate-signer", &rotation).await);
    answers.keep("/admin/revoke-signer", kms.revoke(&next).await);

    let counter = kms.counter().await + 1;
    let mut command = SetCeilings { tee_id, ceilings: ceilings(), counter, signature: UNSIGNED };
    command.signature = kms.admin.sign(&command);
    let body = json!(admin::SetCeilings::from(&command));
    answers.keep("/admin/set-ceilings", kms.post("/admin/set-ceilings", &body).await);

    let counter = kms.counter().await + 1;
    let (deployment, total) = (ceilings().deployments[0], Wei(u128::MAX));
    let mut command = SetAllowance { tee_id, deployment, total, counter, signature: UNSIGNED };
    command.signature = kms.admin.sign(&command);
    let body = json!(admin::SetAllowance::from(&command));
    answers.keep(admin::SetAllowance::PATH, kms.post(admin::SetAllowance::PATH, &body).await);

    let counter = kms.counter().await + 1;
    let mut command = PreparePaymasterKey { tee_id, counter, signature: UNSIGNED };
    command.signature = kms.admin.sign(&command);
    let body = json!(admin::PreparePaymasterKey::from(&command));
    let path = admin::PreparePaymasterKey::PATH;
    answers.keep(path, kms.post(path, &body).await);

    let standby = kms.gateway.security_state().await.unwrap().provisioned.unwrap().standby_paymaster_signer.unwrap();
    answers.keep(admin::RotatePaymasterKey::PATH, kms.rotate_paymaster_key(standby).await);
}
