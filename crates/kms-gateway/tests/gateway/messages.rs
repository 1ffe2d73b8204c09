//! Messages that an account signs for a page: which are signed, what strangers cost, and the audit.

use std::sync::Arc;

use devkit::SoftPasskey;
use kms_gateway::clock::SystemClock;
use kms_gateway::{Caller, Gateway, GatewayError};
use prometheus::Registry;
use proto::command::{AccountDomain, MessageForm, SignMessage};
use proto::json::passkey::parse_assertion;
use proto::{Address, Bounded, EntryPointVersion, Hash, Status};
use serde_json::{Value, json};
use sqlx::Row as _;
use tempfile::TempDir;

use crate::signing::recover;
use crate::support::{
    CHAIN_ID, Gate, GatedTee, Kms, NOW, ORIGIN, RP_ID, SponsorRequest, calls_of, entry_point, settings, simulator,
    until,
};

const PATH: &str = "/kms/sign-message";
const TEXT: &[u8] = b"wallet.example wants you to sign in";

/// The HTTP request, and the passkey that approves it.
pub struct MessageRequest {
    passkey: SoftPasskey,
    account_id: String,
    message: Vec<u8>,
    domain: Option<AccountDomain>,
    user_signature: Value,
}

impl MessageRequest {
    /// As EIP-191.
    pub fn eip191(mut passkey: SoftPasskey, account: &Value, message: &[u8]) -> Self {
        let account_id = account["accountId"].as_str().unwrap().to_owned();
        let user_signature = passkey.assert_challenge(&[0; 32]).unwrap();
        Self { passkey, account_id, message: message.to_vec(), domain: None, user_signature }
    }

    /// In the domain of an account's contract.
    pub fn personal_sign(passkey: SoftPasskey, account: &Value, message: &[u8]) -> Self {
        let domain = AccountDomain {
            name: Bounded::new("Account".into()).unwrap(),
            version: Bounded::new("1".into()).unwrap(),
            chain_id: CHAIN_ID,
            verifying_contract: Address([0x11; 20]),
            salt: None,
        };
        Self { domain: Some(domain), ..Self::eip191(passkey, account, message) }
    }

    pub fn approved(mut self) -> Self {
        let intent = self.command().intent_hash();
        self.user_signature = self.passkey.assert_challenge(&intent.0).unwrap();
        self
    }

    /// Another message, approved.
    fn next(mut self, message: &[u8]) -> Self {
        self.message = message.to_vec();
        self.approved()
    }

    fn command(&self) -> SignMessage {
        SignMessage {
            account_id: self.account_id.parse().unwrap(),
            message: Bounded::new(self.message.clone()).unwrap(),
            form: self.domain.clone().map_or(MessageForm::Eip191, MessageForm::PersonalSign),
            passkey: parse_assertion(&self.user_signature).unwrap(),
        }
    }

    pub fn body(&self) -> Value {
        let mut body = json!({
            "accountId": self.account_id,
            "message": proto::json::hex_bytes(&self.message),
            "form": if self.domain.is_some() { "personalSign" } else { "eip191" },
            "userSignature": self.user_signature,
        });
        if let Some(AccountDomain { name, version, chain_id, verifying_contract, salt }) = &self.domain {
            body["domain"] = json!({
                "name": name.as_str(),
                "version": version.as_str(),
                "chainId": chain_id,
                "verifyingContract": verifying_contract,
            });
            if let Some(salt) = salt {
                body["domain"]["salt"] = json!(salt);
            }
        }
        body
    }
}

impl Kms {
    /// Decision, reason, account and digest of each row about a message.
    async fn messages_in_audit(&self) -> Vec<[String; 4]> {
        let rows = sqlx::query(
            "SELECT decision, reason, account_id, context_hash FROM audit WHERE action = 'sign_message' ORDER BY seq",
        );
        let rows = rows.fetch_all(&self.database().await).await.unwrap();
        rows.iter().map(|row| [0, 1, 2, 3].map(|index| row.get::<String, _>(index))).collect()
    }
}

#[tokio::test]
async fn an_approved_message_is_signed_by_its_account_in_its_form_and_audited_with_its_digest() {
    let kms = Kms::start().await;
    let signers = kms.get("/admin/signers").await.ok();
    let mut expected = Vec::new();
    for salt in [None, Some(Hash([5; 32]))] {
        let (passkey, account) = kms.account().await;
        let mut request = MessageRequest::personal_sign(passkey, &account, &[0x32; 33]);
        request.domain.as_mut().unwrap().salt = salt;
        let request = request.approved();
        let (passkey, other) = kms.account().await;
        let plain = MessageRequest::eip191(passkey, &other, TEXT).approved();
        for (request, account) in [(request, account), (plain, other)] {
            let answer = kms.post(PATH, &request.body()).await.ok();
            let digest = request.command().digest();
            assert_eq!(answer["digest"], digest.to_string());
            assert_eq!(recover(&digest, &answer["signature"]), account["ownerAddress"]);
            assert_eq!(answer["ownerAddress"], account["ownerAddress"]);
            assert_eq!(answer["teeDeviceId"], signers["paymasterSigner"]);
            assert_eq!(kms.post(PATH, &request.body()).await.ok(), answer, "a retry gives the same bytes");
            let row = ["allowed".to_owned(), "ok".to_owned(), request.account_id, digest.to_string()];
            expected.extend([row.clone(), row]);
        }
    }
    assert_eq!(kms.messages_in_audit().await, expected);
    kms.verify_audit().await.unwrap();
}

#[tokio::test]
async fn what_could_be_an_operation_is_refused_before_the_tee_is_called() {
    let kms = Kms::start().await;
    let (passkey, account) = kms.account().await;
    let plain = MessageRequest::eip191(passkey, &account, &[0x32; 32]).approved();
    kms.post(PATH, &plain.body()).await.refused(400, "message_is_hash");
    let empty = plain.next(&[]);
    kms.post(PATH, &empty.body()).await.refused(400, "message_empty");
    let (passkey, account) = kms.account().await;
    let nested = MessageRequest::personal_sign(passkey, &account, &[0x32; 32]).approved();
    kms.post(PATH, &nested.body()).await.refused(400, "message_is_hash");
    let mut nested = nested.next(TEXT);
    nested.domain.as_mut().unwrap().verifying_contract = entry_point(EntryPointVersion::V07).address;
    let nested = nested.approved();
    kms.post(PATH, &nested.body()).await.refused(403, "domain_not_allowed");
    assert_eq!(kms.calls_of("SignMessage"), 0);
    assert_eq!(kms.messages_in_audit().await, Vec::<[String; 4]>::new());
}

#[tokio::test]
async fn an_approval_of_something_else_or_by_someone_else_costs_the_tee_nothing_and_has_no_row() {
    let kms = Kms::start().await;
    let (passkey, account) = kms.account().await;
    let mut request = MessageRequest::eip191(passkey, &account, TEXT).approved();
    request.message = b"something else".to_vec();
    kms.post(PATH, &request.body()).await.refused(401, "challenge_mismatch");
    let (_, other) = kms.account().await;
    request.account_id = other["accountId"].as_str().unwrap().into();
    kms.post(PATH, &request.body()).await.refused(401, "credential_unknown");
    request.account_id = "nobody".into();
    kms.post(PATH, &request.body()).await.refused(404, "account_unknown");
    let mut request =
        MessageRequest { account_id: account["accountId"].as_str().unwrap().into(), ..request }.next(TEXT);
    let signature = request.user_signature["response"]["signature"].as_str().unwrap().to_owned();
    request = request.next(b"another");
    request.user_signature["response"]["signature"] = signature.into();
    kms.post(PATH, &request.body()).await.refused(401, "passkey_signature_invalid");
    request.passkey.behaviour.user_verified = false;
    let request = request.next(TEXT);
    kms.post(PATH, &request.body()).await.refused(401, "user_not_verified");
    assert_eq!(kms.calls_of("SignMessage"), 0);
    assert_eq!(kms.messages_in_audit().await, Vec::<[String; 4]>::new());
    assert!(kms.decided("sign_message", "challenge_mismatch") > 0.0, "it is counted");
}

#[tokio::test]
async fn an_approval_of_an_operation_signs_no_message_and_the_reverse() {
    let kms = Kms::start().await;
    let (passkey, account) = kms.account().await;
    let operation = SponsorRequest::new(passkey, &account).signed(&kms.relay);
    let operation_intent = operation.command().intent_hash();
    let of_operation = operation.user_signature.clone().unwrap();
    let message = MessageRequest::eip191(operation.passkey, &account, TEXT);
    let message = MessageRequest { user_signature: of_operation, ..message };
    kms.post(PATH, &message.body()).await.refused(401, "challenge_mismatch");
    let message = message.approved();
    let mut listed = message.body();
    let intents = [message.command().intent_hash(), operation_intent];
    listed["userSignature"]["intents"] = json!(intents);
    kms.post(PATH, &listed).await.refused(401, "challenge_mismatch");
    let mut operation = SponsorRequest::new(message.passkey, &account);
    operation.user_signature = Some(message.user_signature);
    operation.approve_as_relay(&kms.relay);
    kms.sponsor(&operation).await.refused(401, "challenge_mismatch");
}

#[tokio::test]
async fn a_domain_belongs_to_the_form_and_every_field_is_checked() {
    let kms = Kms::start().await;
    let (passkey, account) = kms.account().await;
    let nested = MessageRequest::personal_sign(passkey, &account, TEXT).approved().body();
    let bad = [
        ("form", json!("eip191"), "domain"),
        ("domain", Value::Null, "domain"),
        ("form", json!("raw"), "form"),
        ("message", json!("hello"), "message"),
        ("message", json!(format!("0x{}", "00".repeat(16 * 1024 + 1))), "message"),
        ("accountId", json!("a b"), "accountId"),
        ("userSignature", json!({}), "userSignature"),
        ("domain", json!({ "name": "Account" }), "domain"),
        ("hash", json!("0x00"), "hash"),
    ];
    for (field, value, named) in bad {
        let mut body = nested.clone();
        body[field] = value.clone();
        let error = kms.post(PATH, &body).await.refused(400, "invalid_field");
        assert!(error["message"].as_str().unwrap().contains(named), "{field} {value}: {error}");
    }
    let mut body = nested;
    body["domain"]["name"] = "n".repeat(129).into();
    kms.post(PATH, &body).await.refused(400, "invalid_field");
}

#[tokio::test]
async fn each_account_signs_a_burst_of_messages_and_then_one_in_six_seconds() {
    let kms = Kms::start().await;
    let (passkey, account) = kms.account().await;
    let request = MessageRequest::eip191(passkey, &account, TEXT).approved();
    for _ in 0..20 {
        kms.post(PATH, &request.body()).await.ok();
    }
    let rows = kms.verify_audit().await.unwrap().rows;
    let url = format!("{}{PATH}", kms.url);
    let response = kms.client.post(url).header("origin", ORIGIN).json(&request.body()).send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "6");
    assert_eq!(response.headers()["access-control-allow-origin"], ORIGIN);
    assert_eq!(response.json::<Value>().await.unwrap()["error"]["retryable"], true);
    kms.post(PATH, &request.body()).await.refused(429, "message_rationed");
    assert_eq!(kms.calls_of("SignMessage"), 20);
    assert_eq!(kms.verify_audit().await.unwrap().rows, rows, "no row for those over the limit");
    let (passkey, account) = kms.account().await;
    kms.post(PATH, &MessageRequest::eip191(passkey, &account, TEXT).approved().body()).await.ok();
    kms.clock.set(NOW + 6);
    kms.post(PATH, &request.body()).await.ok();
    kms.post(PATH, &request.body()).await.refused(429, "message_rationed");
}

#[tokio::test]
async fn messages_of_a_client_wait_for_each_other_and_not_in_the_queue_of_the_tee() {
    let gate = Gate::default();
    let kms = Kms::over_tee(Arc::new(GatedTee::start(8, gate.clone()))).await;
    let (passkey, account) = kms.account().await;
    let request = MessageRequest::eip191(passkey, &account, TEXT).approved();
    kms.post(PATH, &request.body()).await.ok();
    gate.shut();
    let send = || kms.client.post(format!("{}{PATH}", kms.url)).json(&request.body()).send();
    let first = tokio::spawn(send());
    until(async || kms.gateway.queue_stats().depth == 1).await;
    let others: Vec<_> = (0..5).map(|_| tokio::spawn(send())).collect();
    for other in others {
        assert_eq!(other.await.unwrap().unwrap().status(), 503, "it is told to retry");
    }
    assert_eq!(kms.gateway.queue_stats().depth, 1);
    gate.open();
    assert_eq!(first.await.unwrap().unwrap().status(), 200);
}

/// The queue has two places, and a caller without authority may have one of them.
#[tokio::test]
async fn a_message_that_the_queue_refuses_does_not_count_and_has_no_row() {
    let gate = Gate::default();
    let kms = Kms::over_tee(Arc::new(GatedTee::start(1, gate.clone()))).await;
    let (passkey, account) = kms.account().await;
    let request = MessageRequest::eip191(passkey, &account, TEXT).approved();
    kms.post(PATH, &request.body()).await.ok();
    gate.shut();
    let lookup = tokio::spawn(kms.client.get(format!("{}/kms/accounts/nobody", kms.url)).send());
    until(async || kms.gateway.queue_stats().depth == 1).await;
    for _ in 0..25 {
        kms.post(PATH, &request.body()).await.refused(503, "tee_busy");
    }
    gate.open();
    lookup.await.unwrap().unwrap();
    kms.post(PATH, &request.body()).await.ok();
    assert_eq!(kms.messages_in_audit().await.len(), 2);
    assert_eq!(kms.decided("sign_message", "tee_busy"), 25.0);
}

#[tokio::test]
async fn before_the_tee_is_provisioned_strangers_with_messages_do_not_have_it_report() {
    let (folder, registry) = (TempDir::new().unwrap(), Registry::new());
    let gateway =
        Gateway::open(settings(folder.path()), simulator(folder.path()), Arc::new(SystemClock), None, &registry);
    let gateway = gateway.await.unwrap();
    let account = json!({ "accountId": "alice" });
    let passkey = SoftPasskey::create(RP_ID, ORIGIN).unwrap();
    let command = MessageRequest::eip191(passkey, &account, TEXT).approved().command();
    let reports = calls_of(&registry, "VerifySecurityState");
    for _ in 0..3 {
        let refused = gateway.sign_message(command.clone(), &Caller::internal("test")).await;
        assert!(matches!(refused, Err(GatewayError::Refused(Status::NotProvisioned))), "{refused:?}");
    }
    assert_eq!(calls_of(&registry, "VerifySecurityState"), reports);
}
