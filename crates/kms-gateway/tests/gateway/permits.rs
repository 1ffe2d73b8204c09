//! Who may create accounts, and how many.

use std::path::Path;
use std::sync::Arc;

use devkit::SoftPasskey;
use kms_gateway::Settings;
use kms_gateway::settings::{AccountCreation, ApiKeySettings};
use proto::TeeId;
use proto::json::invitation::{Invitation, SignedInvitation};
use serde_json::{Value, json};

use crate::accounts::found_again;
use crate::support::{Answer, Gate, GatedTee, Kms, NOW, ORIGIN, RP_ID, RelayKey, settings};

const KEY: &str = "kms-key-of-a-server";
/// `printf %s kms-key-of-a-server | sha256sum`.
const HASH: &str = "ce678abcb3c55881686257e3c29bd42cedc340b66f9b2d1d806b7e7f6a7a590b";

fn authorised(folder: &Path) -> Settings {
    Settings {
        account_creation: AccountCreation::Authorised,
        api_keys: vec![ApiKeySettings { label: "shop".into(), hash: HASH.into() }],
        accounts_per_hour: 3,
        ..settings(folder)
    }
}

async fn start(settings: fn(&Path) -> Settings) -> Kms {
    Kms::over_tee_with(settings, Arc::new(GatedTee::start(8, Gate::default()))).await
}

impl Kms {
    /// An invitation for this many accounts, signed by this key.
    async fn invitation(&self, key: &RelayKey, max_uses: u32) -> SignedInvitation {
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce).unwrap();
        let tee_id = self.gateway.security_state().await.unwrap().tee_id;
        let invitation = Invitation { tee_id, expires_at: NOW + 600, max_uses, nonce };
        sign(key, invitation)
    }

    async fn create_invited(&self, registration_id: &Value, invitation: &SignedInvitation) -> Answer {
        self.create(json!({ "registrationId": registration_id, "invitation": invitation.to_string() })).await
    }

    /// A verified registration of a new passkey, begun by the server that has the key.
    async fn registered(&self) -> (SoftPasskey, Value) {
        let mut passkey = SoftPasskey::create(RP_ID, ORIGIN).unwrap();
        let registration_id = self.registered_again(&mut passkey).await;
        (passkey, registration_id)
    }

    async fn registered_again(&self, passkey: &mut SoftPasskey) -> Value {
        let begin = self.client.post(format!("{}/webauthn/register/begin", self.url)).header("x-api-key", KEY);
        let begun = self.send(begin.json(&json!({ "userName": "alice" }))).await.ok();
        self.finish_with(passkey, &begun).await
    }

    async fn create_with(&self, header: (&str, &str)) -> Answer {
        let (_, registration_id) = self.registered().await;
        let request = self.client.post(format!("{}/kms/create-deterministic-account", self.url));
        self.send(request.header(header.0, header.1).json(&json!({ "registrationId": registration_id }))).await
    }
}

fn sign(key: &RelayKey, invitation: Invitation) -> SignedInvitation {
    SignedInvitation { invitation, signature: key.personal_sign(&invitation.digest().0) }
}

#[tokio::test]
async fn without_key_or_invitation_no_account_is_created_and_the_tee_is_not_called() {
    let kms = start(authorised).await;
    let before = kms.verify_audit().await.unwrap();
    let (_, registration_id) = kms.registered().await;
    let error = kms.create(json!({ "registrationId": registration_id })).await.refused(401, "creation_unauthorised");
    assert!(error["message"].as_str().unwrap().contains("pm_createAccountInvitation"), "{error}");
    for header in [("authorization", "Bearer wrong"), ("x-api-key", "wrong")] {
        kms.create_with(header).await.refused(401, "api_key_unknown");
        let begin = kms.client.post(format!("{}/webauthn/register/begin", kms.url)).header(header.0, header.1);
        kms.send(begin.json(&json!({ "userName": "alice" }))).await.refused(401, "api_key_unknown");
    }
    for empty in [("authorization", "Bearer "), ("x-api-key", "")] {
        kms.create_with(empty).await.refused(401, "creation_unauthorised");
    }
    kms.create_with(("authorization", "Basic a2V5")).await.refused(400, "invalid_field");
    assert_eq!(kms.verify_audit().await.unwrap(), before);
    assert_eq!(kms.get("/stats").await.ok()["accounts"], 0);
}

#[tokio::test]
async fn a_caller_without_permission_is_refused_before_a_passkey_is_created() {
    let invited_only: fn(&Path) -> Settings = |folder| Settings { api_keys: Vec::new(), ..authorised(folder) };
    for settings in [authorised, invited_only] {
        let kms = start(settings).await;
        for mut begin in [json!({ "userName": "alice" }), json!({ "accountId": "alice" })] {
            let error = kms.post("/webauthn/register/begin", &begin).await.refused(401, "creation_unauthorised");
            assert!(error["message"].as_str().unwrap().contains("pm_createAccountInvitation"), "{error}");
            begin["invitation"] = kms.invitation(&kms.relay, 1).await.to_string().into();
            kms.post("/webauthn/register/begin", &begin).await.ok();
        }
    }
}

#[tokio::test]
async fn a_passkey_with_an_account_can_be_registered_again_with_key_or_invitation() {
    let kms = start(authorised).await;
    let (mut passkey, registration_id) = kms.registered().await;
    let invitation = kms.invitation(&kms.relay, 2).await;
    let account = kms.create_invited(&registration_id, &invitation).await.ok();
    let again = kms.registered_again(&mut passkey).await;
    assert_eq!(kms.create_invited(&again, &invitation).await.ok(), found_again(&account));
    let begin = json!({ "accountId": account["accountId"], "invitation": invitation.to_string() });
    let begun = kms.post("/webauthn/register/begin", &begin).await.ok();
    let again = kms.finish_with(&mut passkey, &begun).await;
    assert_eq!(kms.create_invited(&again, &invitation).await.ok(), found_again(&account));
}

#[tokio::test]
async fn an_api_key_creates_accounts_up_to_its_hourly_limit() {
    let kms = start(authorised).await;
    kms.create_with(("authorization", &format!("bearer {KEY}"))).await.ok();
    kms.create_with(("x-api-key", KEY)).await.ok();
    kms.clock.set(NOW + 60);
    kms.create_with(("x-api-key", KEY)).await.ok();
    let error = kms.create_with(("x-api-key", KEY)).await.refused(429, "creation_rationed");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("3 accounts an hour") && message.contains("3540 s"), "{message}");
    assert_eq!(error["retryable"], true);
    // Another authoriser has its own limit.
    let invitation = kms.invitation(&kms.relay, 1).await;
    let (_, registration_id) = kms.registered().await;
    kms.create_invited(&registration_id, &invitation).await.ok();
    kms.clock.set(NOW + 3600);
    kms.create_with(("x-api-key", KEY)).await.ok();
}

#[tokio::test]
async fn an_invitation_is_valid_for_its_accounts_and_each_can_be_requested_again() {
    let kms = start(authorised).await;
    let invitation = kms.invitation(&kms.relay, 2).await;
    let mut first = None;
    for _ in 0..2 {
        let (_, registration_id) = kms.registered().await;
        let account = kms.create_invited(&registration_id, &invitation).await.ok();
        assert_eq!(kms.create_invited(&registration_id, &invitation).await.ok(), found_again(&account));
        first.get_or_insert(registration_id);
    }
    let (_, third) = kms.registered().await;
    // If it is sent at the beginning, it is refused before a passkey is created in vain.
    let begin = json!({ "userName": "alice", "invitation": invitation.to_string() });
    kms.post("/webauthn/register/begin", &begin).await.refused(403, "invitation_used_up");
    let error = kms.create_invited(&third, &invitation).await.refused(403, "invitation_used_up");
    assert!(error["message"].as_str().unwrap().contains("as many passkeys as it allows: 2"), "{error}");
    // After a restart too.
    kms.create_invited(&first.unwrap(), &invitation).await.ok();
    let rows: Vec<Option<String>> = sqlx::query_scalar("SELECT signer FROM audit WHERE action = 'create_account'")
        .fetch_all(&kms.database().await)
        .await
        .unwrap();
    assert!(rows.iter().all(|signer| signer.as_deref() == Some(&kms.relay.address().to_string())), "{rows:?}");
}

#[tokio::test]
async fn a_used_up_invitation_stays_so_after_the_clock_was_briefly_ahead() {
    let kms = start(authorised).await;
    let invitation = kms.invitation(&kms.relay, 1).await;
    let (_, first) = kms.registered().await;
    kms.create_invited(&first, &invitation).await.ok();
    kms.clock.set(NOW + 9 * 86_400);
    for _ in 0..2 {
        kms.create_with(("x-api-key", KEY)).await.ok();
    }
    kms.clock.set(NOW + 10);
    let (_, second) = kms.registered().await;
    kms.create_invited(&second, &invitation).await.refused(403, "invitation_used_up");

    // Rows that expired by both the clock and the elapsed time are deleted.
    let database = kms.database().await;
    sqlx::query("UPDATE uptime SET seconds = 10 * 86400").execute(&database).await.unwrap();
    kms.clock.set(NOW + 8 * 86_400);
    kms.create_with(("x-api-key", KEY)).await.ok();
    let used = "SELECT count(*) FROM creation_permits WHERE invitation IS NOT NULL";
    assert_eq!(sqlx::query_scalar::<_, i64>(used).fetch_one(&database).await.unwrap(), 0);
}

#[tokio::test]
async fn repeated_creations_add_no_rows_and_cost_the_tee_nothing() {
    let kms = start(authorised).await;
    let invitation = kms.invitation(&kms.relay, 1).await;
    let (mut passkey, first) = kms.registered().await;
    let account = kms.create_invited(&first, &invitation).await.ok();
    let rows = kms.verify_audit().await.unwrap();
    let calls = kms.calls_of("CreateHybridAccount");
    for id in ["bob", "carol", "dave"] {
        let again = kms.registered_again(&mut passkey).await;
        let body = json!({ "registrationId": again, "accountId": id, "invitation": invitation.to_string() });
        kms.create(body).await.refused(409, "credential_conflict");
        assert_eq!(kms.create_invited(&again, &invitation).await.ok(), found_again(&account));
    }
    assert_eq!(kms.verify_audit().await.unwrap(), rows);
    assert_eq!(kms.calls_of("CreateHybridAccount"), calls);
}

#[tokio::test]
async fn concurrent_creations_share_one_invitation() {
    let kms = start(authorised).await;
    let invitation = kms.invitation(&kms.relay, 1).await;
    let mut asking = Vec::new();
    for _ in 0..6 {
        let (_, registration_id) = kms.registered().await;
        let body = json!({ "registrationId": registration_id, "invitation": invitation.to_string() });
        let request = kms.client.post(format!("{}/kms/create-deterministic-account", kms.url)).json(&body);
        asking.push(tokio::spawn(request.send()));
    }
    let mut statuses = Vec::new();
    for answer in asking {
        statuses.push(answer.await.unwrap().unwrap().status().as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403, 403, 403, 403, 403]);
}

#[tokio::test]
async fn an_invitation_by_another_key_for_another_tee_or_time_is_refused() {
    let kms = start(authorised).await;
    let honest = kms.invitation(&kms.relay, 1).await;
    let other = Invitation { tee_id: TeeId([9; 32]), ..honest.invitation };
    let never = Invitation { expires_at: NOW + 8 * 86_400, ..honest.invitation };
    let none = Invitation { max_uses: 0, ..honest.invitation };
    let over = Invitation { expires_at: NOW - 1, ..honest.invitation };
    let more = Invitation { max_uses: 900, ..honest.invitation };
    let stranger = RelayKey::random();
    let rotator = RelayKey::random();
    kms.authorize(&rotator, &["rotate"]).await.ok();
    let refused = [
        (sign(&kms.relay, other), "invitation_invalid", "another TEE"),
        (sign(&kms.relay, never), "invitation_invalid", "7 days"),
        (sign(&kms.relay, none), "invitation_invalid", "no account"),
        (sign(&kms.relay, over), "invitation_expired", "expired at"),
        (sign(&stranger, honest.invitation), "invitation_invalid", "authorised"),
        (sign(&rotator, honest.invitation), "invitation_invalid", "authorised to sponsor"),
        (SignedInvitation { invitation: more, ..honest }, "invitation_invalid", "authorised"),
    ];
    let (_, registration_id) = kms.registered().await;
    for (invitation, code, words) in refused {
        let begin = json!({ "userName": "alice", "invitation": invitation.to_string() });
        kms.post("/webauthn/register/begin", &begin).await.refused(403, code);
        let error = kms.create_invited(&registration_id, &invitation).await.refused(403, code);
        assert!(error["message"].as_str().unwrap().contains(words), "{error}");
    }
    let malformed = json!({ "registrationId": registration_id, "invitation": "inv_xyz" });
    kms.create(malformed).await.refused(400, "invalid_field");
    // It becomes invalid with the key that signed it.
    kms.revoke(&kms.relay).await.ok();
    kms.create_invited(&registration_id, &honest).await.refused(403, "invitation_invalid");
}

#[tokio::test]
async fn with_open_creation_all_anonymous_callers_share_one_limit() {
    let open = |folder: &Path| Settings { accounts_per_hour: 2, ..settings(folder) };
    let kms = Kms::over_tee_with(open, Arc::new(GatedTee::start(8, Gate::default()))).await;
    let mut made = Vec::new();
    for _ in 0..2 {
        let (_, registration_id) = kms.register().await;
        kms.create(json!({ "registrationId": registration_id })).await.ok();
        made.push(registration_id);
    }
    let (_, third) = kms.register().await;
    kms.create(json!({ "registrationId": third })).await.refused(429, "creation_rationed");
    // An account that was permitted before is not counted again.
    kms.create(json!({ "registrationId": made[0] })).await.ok();
}

#[test]
fn invalid_api_keys_are_refused_by_name() {
    let key = |label: &str, hash: &str| ApiKeySettings { label: label.into(), hash: hash.into() };
    for api_keys in [
        vec![key("", HASH)],
        vec![key("shop", "00")],
        vec![key("shop", &"00".repeat(32))],
        // The hashes of nothing and of an empty line.
        vec![key("shop", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")],
        vec![key("shop", "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b")],
        vec![key("sh\u{202e}op", HASH)],
        vec![key("shop", HASH), key("shop", &"11".repeat(32))],
        vec![key("shop", HASH), key("other", HASH)],
    ] {
        let settings = Settings { api_keys, ..settings(Path::new("")) };
        assert_eq!(settings.check().unwrap_err().key, "api_keys");
    }
    assert!(Settings { accounts_per_hour: 0, ..settings(Path::new("")) }.check().is_err());
}
