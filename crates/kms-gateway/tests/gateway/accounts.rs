//! Registration of passkeys, and creation of accounts.

use std::path::Path;
use std::sync::Arc;

use devkit::{Anvil, AnvilOptions, SimpleAccountFactory, SoftPasskey, Tools, U256};
use kms_gateway::Settings;
use kms_gateway::ceremony::{Ceremonies, CeremonyError, NewUser, SealingKey};
use kms_gateway::factory::ChainFactory;
use kms_gateway::settings::FactorySettings;
use proto::AccountId;
use proto::json::passkey::{base64url, to_base64url};
use proto::primitives::keccak256;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{Answer, Kms, NOW, ORIGIN, RP_ID, settings};

impl Kms {
    async fn begin(&self) -> Value {
        self.post("/webauthn/register/begin", &json!({ "userName": "alice", "displayName": "Alice" })).await.ok()
    }

    async fn finish(&self, begun: &Value, credential: &Value) -> Answer {
        let body = json!({ "registrationId": begun["registrationId"], "credential": credential });
        self.post("/webauthn/register/finish", &body).await
    }

    pub async fn create(&self, body: Value) -> Answer {
        self.post("/kms/create-deterministic-account", &body).await
    }
}

/// The answer when the account that was created is asked for again.
pub fn found_again(created: &Value) -> Value {
    assert_eq!(created["created"], true);
    let mut found = created.clone();
    found["created"] = false.into();
    found
}

#[tokio::test]
async fn a_registration_asks_for_a_verified_user_and_an_es256_key() {
    let kms = Kms::start().await;
    let options = kms.begin().await["publicKey"].clone();
    assert_eq!(options["rp"], json!({ "id": RP_ID, "name": "super-relay" }));
    assert_eq!(options["user"]["name"], "alice");
    assert_eq!(options["user"]["displayName"], "Alice");
    assert_eq!(options["pubKeyCredParams"], json!([{ "type": "public-key", "alg": -7 }]));
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(options["authenticatorSelection"]["residentKey"], "preferred");
    assert_eq!(options["attestation"], "none");
}

#[tokio::test]
async fn an_account_is_named_after_its_credential_and_the_same_when_created_again() {
    let kms = Kms::start().await;
    let (passkey, registration_id) = kms.register().await;
    let first = kms.create(json!({ "registrationId": registration_id })).await.ok();
    assert_eq!(first["accountId"], AccountId::of_credential(passkey.credential_id()).as_str());
    assert_eq!(first["salt"], keccak256(passkey.credential_id()).to_string());
    assert_eq!(first["publicKey"], proto::json::hex_bytes(&passkey.public_key()));
    assert_eq!(first["signatureScheme"], "eip191");
    assert_eq!((&first["sender"], &first["factory"]), (&Value::Null, &Value::Null));
    let second = kms.create(json!({ "registrationId": registration_id })).await.ok();
    assert_eq!(second, found_again(&first));

    let shown = kms.get(&format!("/kms/accounts/{}", first["accountId"].as_str().unwrap())).await.ok();
    for field in ["ownerAddress", "signatureScheme", "factory", "salt"] {
        assert_eq!(shown[field], first[field], "{field}");
    }
    let passkeys = json!([{ "credentialId": first["credentialId"], "publicKey": first["publicKey"] }]);
    assert_eq!(shown["passkeys"], passkeys);
}

#[tokio::test]
async fn a_named_account_keeps_its_name_when_created_again_without_one() {
    let kms = Kms::start().await;
    let (_, registration_id) = kms.register().await;
    let named = kms.create(json!({ "registrationId": registration_id, "accountId": "alice" })).await.ok();
    assert_eq!(named["accountId"], "alice");
    let again = kms.create(json!({ "registrationId": registration_id })).await.ok();
    assert_eq!(again, found_again(&named));
    let other = kms.create(json!({ "registrationId": registration_id, "accountId": "bob" })).await;
    other.refused(409, "credential_conflict");
    let scheme = kms.create(json!({ "registrationId": registration_id, "signatureScheme": "raw" })).await;
    scheme.refused(409, "signature_scheme_conflict");
}

#[tokio::test]
async fn an_account_id_belongs_to_the_first_credential_that_took_it() {
    let kms = Kms::start().await;
    let (_, first) = kms.register().await;
    let (_, second) = kms.register().await;
    kms.create(json!({ "registrationId": first, "accountId": "alice" })).await.ok();
    let calls = kms.calls_of("CreateHybridAccount");
    for _ in 0..3 {
        kms.create(json!({ "registrationId": second, "accountId": "alice" })).await.refused(409, "account_exists");
    }
    assert_eq!(kms.calls_of("CreateHybridAccount"), calls, "the index answers");
}

#[tokio::test]
async fn an_account_is_not_named_like_a_sender_or_another_passkeys_account() {
    let kms = Kms::start().await;
    let (_, registration_id) = kms.register().await;
    let others = format!("pk_{}", "ab".repeat(20));
    for id in ["0x00000000000000000000000000000000000000aA", &others] {
        let body = json!({ "registrationId": registration_id, "accountId": id });
        kms.create(body).await.refused(400, "account_id_reserved");
    }
    // If possible, before the user touches anything.
    let begin = json!({ "accountId": "0x00000000000000000000000000000000000000aa" });
    kms.post("/webauthn/register/begin", &begin).await.refused(400, "account_id_reserved");
    let account = kms.create(json!({ "registrationId": registration_id })).await.ok();
    let own = json!({ "registrationId": registration_id, "accountId": account["accountId"] });
    assert_eq!(kms.create(own).await.ok(), found_again(&account));
}

/// Without attestation a registration proves nothing: anyone can repeat one with the account's
/// public data.
#[tokio::test]
async fn an_account_that_exists_is_not_answered_as_created() {
    let kms = Kms::start().await;
    let (mut passkey, account) = kms.account().await;
    let again = kms.register_passkey(&mut passkey).await;
    assert_eq!(kms.create(json!({ "registrationId": again })).await.ok(), found_again(&account));
    // Nor while only the TEE knows it: the index was lost, or another gateway has it.
    sqlx::query("DELETE FROM accounts").execute(&kms.database().await).await.unwrap();
    let kms = kms.restart().await;
    let again = kms.register_passkey(&mut passkey).await;
    assert_eq!(kms.create(json!({ "registrationId": again })).await.ok(), found_again(&account));
}

#[tokio::test]
async fn the_account_id_of_the_registration_is_the_accounts() {
    let kms = Kms::start().await;
    let mut passkey = SoftPasskey::create(RP_ID, ORIGIN).unwrap();
    let begun = kms.post("/webauthn/register/begin", &json!({ "accountId": "carol" })).await.ok();
    let credential = passkey.register(&begun["publicKey"]).unwrap();
    kms.finish(&begun, &credential).await.ok();
    let account = kms.create(json!({ "registrationId": begun["registrationId"] })).await.ok();
    assert_eq!(account["accountId"], "carol");
}

#[tokio::test]
async fn an_unverified_registration_creates_no_account() {
    let kms = Kms::start().await;
    let begun = kms.begin().await;
    let unverified = kms.create(json!({ "registrationId": begun["registrationId"] })).await;
    unverified.refused(409, "registration_not_verified");
    let unknown = kms.create(json!({ "registrationId": "00000000-0000-4000-8000-000000000000" })).await;
    unknown.refused(404, "registration_unknown");
    for nonsense in ["7", "", "ä", &"A".repeat(20_000)] {
        kms.create(json!({ "registrationId": nonsense })).await.refused(404, "registration_unknown");
    }
    kms.create(json!({ "registrationId": 7 })).await.refused(400, "invalid_field");
}

#[tokio::test]
async fn a_registration_expires_before_and_after_it_is_verified() {
    let kms = Kms::start().await;
    let mut passkey = SoftPasskey::create(RP_ID, ORIGIN).unwrap();
    let begun = kms.begin().await;
    let credential = passkey.register(&begun["publicKey"]).unwrap();
    kms.clock.set(NOW + 301);
    kms.finish(&begun, &credential).await.refused(404, "registration_unknown");

    let (_, registration_id) = kms.register().await;
    kms.clock.set(NOW + 301 + 301);
    kms.create(json!({ "registrationId": registration_id })).await.refused(404, "registration_unknown");
}

#[tokio::test]
async fn after_a_wrong_answer_the_right_one_is_accepted() {
    let kms = Kms::start().await;
    let mut passkey = SoftPasskey::create(RP_ID, ORIGIN).unwrap();
    let begun = kms.begin().await;
    let honest = passkey.register(&begun["publicKey"]).unwrap();
    passkey.behaviour.user_verified = false;
    let unverified = passkey.register(&begun["publicKey"]).unwrap();
    kms.finish(&begun, &unverified).await.refused(401, "user_not_verified");
    kms.finish(&begun, &honest).await.ok();
}

#[tokio::test]
async fn a_tampered_registration_is_refused() {
    let kms = Kms::start().await;
    let (_, verified) = kms.register().await;
    let begun = kms.begin().await;
    for token in [verified.as_str().unwrap(), begun["registrationId"].as_str().unwrap()] {
        let middle = token.len() / 2;
        let other = if &token[middle..=middle] == "A" { "B" } else { "A" };
        let changed = [&token[..middle], other, &token[middle + 1..]].concat();
        kms.create(json!({ "registrationId": changed })).await.refused(404, "registration_unknown");
        let finish = json!({ "registrationId": changed, "credential": {} });
        kms.post("/webauthn/register/finish", &finish).await.refused(404, "registration_unknown");
    }
    // A verified registration cannot be finished again.
    let again = json!({ "registrationId": verified, "credential": {} });
    kms.post("/webauthn/register/finish", &again).await.refused(404, "registration_unknown");
    // A registration of another KMS is unknown here.
    let (_, elsewhere) = Kms::start().await.register().await;
    kms.create(json!({ "registrationId": elsewhere })).await.refused(404, "registration_unknown");
}

#[tokio::test]
async fn registrations_in_progress_survive_a_restart() {
    let kms = Kms::start().await;
    let mut passkey = SoftPasskey::create(RP_ID, ORIGIN).unwrap();
    let begun = kms.begin().await;
    let (_, verified) = kms.register().await;
    let kms = kms.restart().await;
    kms.create(json!({ "registrationId": verified })).await.ok();
    let credential = passkey.register(&begun["publicKey"]).unwrap();
    let finished = kms.finish(&begun, &credential).await.ok();
    kms.create(json!({ "registrationId": finished["registrationId"] })).await.ok();
}

#[tokio::test]
async fn a_registration_from_the_wrong_place_is_refused() {
    let kms = Kms::start().await;
    type Lie = fn(&mut devkit::passkey::Behaviour);
    let lies: [(Lie, &str); 8] = [
        (|behaviour| behaviour.origin = "http://evil.example".into(), "origin_not_allowed"),
        (|behaviour| behaviour.rp_id = "evil.example".into(), "rp_id_mismatch"),
        (|behaviour| behaviour.cross_origin = true, "cross_origin"),
        (|behaviour| behaviour.top_origin = Some("http://evil.example".into()), "cross_origin"),
        (|behaviour| behaviour.ceremony_type = Some("webauthn.get".into()), "client_data_type_wrong"),
        (|behaviour| behaviour.user_present = false, "user_not_present"),
        (|behaviour| behaviour.user_verified = false, "user_not_verified"),
        (|behaviour| behaviour.backed_up = true, "backup_state_invalid"),
    ];
    for (lie, code) in lies {
        let mut passkey = SoftPasskey::create(RP_ID, ORIGIN).unwrap();
        let begun = kms.begin().await;
        lie(&mut passkey.behaviour);
        let credential = passkey.register(&begun["publicKey"]).unwrap();
        kms.finish(&begun, &credential).await.refused(401, code);
    }
}

#[tokio::test]
async fn an_answer_to_another_challenge_is_refused() {
    let kms = Kms::start().await;
    let mut passkey = SoftPasskey::create(RP_ID, ORIGIN).unwrap();
    let (one, other) = (kms.begin().await, kms.begin().await);
    let credential = passkey.register(&one["publicKey"]).unwrap();
    kms.finish(&other, &credential).await.refused(401, "challenge_mismatch");
}

/// The client data of an answer, modified.
fn with_client_data(credential: &Value, rewrite: impl FnOnce(String) -> String) -> Value {
    let mut credential = credential.clone();
    let client_data = &mut credential["response"]["clientDataJSON"];
    let bytes = base64url::<4096>(client_data.as_str().unwrap()).unwrap();
    *client_data = to_base64url(rewrite(String::from_utf8(bytes.to_vec()).unwrap()).as_bytes()).into();
    credential
}

/// Firefox on Android escapes the slashes of the origin, as JSON allows.
#[tokio::test]
async fn escaped_client_data_registers_and_makes_an_account() {
    let kms = Kms::start().await;
    let begun = kms.begin().await;
    let honest = SoftPasskey::create(RP_ID, ORIGIN).unwrap().register(&begun["publicKey"]).unwrap();
    let escaped = with_client_data(&honest, |text| text.replace('/', r"\/"));
    kms.finish(&begun, &escaped).await.ok();
    kms.create(json!({ "registrationId": begun["registrationId"] })).await.ok();
}

#[tokio::test]
async fn client_data_that_would_fail_at_approval_is_refused_at_registration() {
    type Rewrite = fn(String) -> String;
    let kms = Kms::start().await;
    let cases: [(Rewrite, &str); 5] = [
        (|text| text.replacen("\",\"origin", "=\",\"origin", 1), "challenge_encoding_invalid"),
        (|text| text.replacen("http://localhost", "HTTP://localhost", 1), "origin_not_allowed"),
        (|text| text.replacen("\",\"cross", "/\",\"cross", 1), "origin_not_allowed"),
        (|text| text.replacen("false", "null", 1), "client_data_malformed"),
        (|text| text.replacen("{", "{\"\\u0074ype\":\"webauthn.create\",", 1), "client_data_malformed"),
    ];
    for (rewrite, code) in cases {
        let begun = kms.begin().await;
        let honest = SoftPasskey::create(RP_ID, ORIGIN).unwrap().register(&begun["publicKey"]).unwrap();
        let credential = with_client_data(&honest, rewrite);
        assert_ne!(credential, honest, "{code}");
        kms.finish(&begun, &credential).await.refused(401, code);
    }
}

/// The attestation object, and the offset of the header of its authenticator data.
fn attestation_object(credential: &Value) -> (Vec<u8>, usize) {
    let object = credential["response"]["attestationObject"].as_str().unwrap();
    let bytes = base64url::<4096>(object).unwrap().to_vec();
    let auth_data = bytes.windows(3).position(|window| window == [0x58, 164, 0x49]).unwrap();
    (bytes, auth_data)
}

/// The gateway already refuses a key that the trusted application would refuse: here `alg` is
/// encoded in two bytes where one is enough.
#[tokio::test]
async fn a_key_in_another_encoding_is_refused_at_registration() {
    let kms = Kms::start().await;
    let begun = kms.begin().await;
    let mut credential = SoftPasskey::create(RP_ID, ORIGIN).unwrap().register(&begun["publicKey"]).unwrap();
    let (mut bytes, auth_data) = attestation_object(&credential);
    bytes[auth_data + 1] += 1;
    let algorithm = bytes.windows(4).rposition(|window| window == [0x02, 0x03, 0x26, 0x20]).unwrap();
    bytes.splice(algorithm + 2..algorithm + 3, [0x38, 0x06]);
    credential["response"]["attestationObject"] = to_base64url(&bytes).into();
    kms.finish(&begun, &credential).await.refused(400, "public_key_invalid");
}

/// Attestation is not requested, and extensions are ignored: neither is parsed, which could be
/// expensive.
#[tokio::test]
async fn an_attestation_statement_and_extensions_are_ignored() {
    let kms = Kms::start().await;
    let begun = kms.begin().await;
    let mut credential = SoftPasskey::create(RP_ID, ORIGIN).unwrap().register(&begun["publicKey"]).unwrap();
    let (mut bytes, auth_data) = attestation_object(&credential);
    let extensions = [b"\xa1\x6bcredProtect".as_slice(), &[2]].concat();
    bytes[auth_data + 1] += u8::try_from(extensions.len()).unwrap();
    bytes[auth_data + 2 + 32] |= 0x80;
    bytes.splice(auth_data + 2 + 164..auth_data + 2 + 164, extensions);
    let statement = bytes.windows(8).position(|window| window == b"attStmt\xa0").unwrap() + 7;
    // Two entries with floating-point keys.
    bytes.splice(statement..=statement, [0xa2, 0xf9, 0x3e, 0, 1, 0xf9, 0x41, 0, 0x80]);
    credential["response"]["attestationObject"] = to_base64url(&bytes).into();
    kms.finish(&begun, &credential).await.ok();
}

#[tokio::test]
async fn fields_in_another_encoding_are_named_with_the_encoding() {
    let kms = Kms::start().await;
    for field in ["id", "rawId", "response.clientDataJSON", "response.attestationObject"] {
        for (found, text) in [("'+' of standard base64 at offset 0", "+AAA"), ("padding (\"=\")", "AAA=")] {
            let begun = kms.begin().await;
            let mut credential = SoftPasskey::create(RP_ID, ORIGIN).unwrap().register(&begun["publicKey"]).unwrap();
            *credential.pointer_mut(&format!("/{}", field.replace('.', "/"))).unwrap() = text.into();
            let refusal = kms.finish(&begun, &credential).await.refused(400, "invalid_field");
            let message = format!("credential.{field}: expected base64url without padding, found {found}");
            assert_eq!(refusal["message"], message);
        }
    }
}

#[tokio::test]
async fn an_invalid_registration_is_refused() {
    let kms = Kms::start().await;
    let begun = kms.begin().await;
    let refusal = kms.finish(&begun, &json!({ "id": "x" })).await.refused(400, "invalid_field");
    assert_eq!(refusal["message"], "credential.type: missing");
    let nobody = kms.post("/webauthn/register/begin", &json!({ "displayName": "x" })).await;
    nobody.refused(400, "invalid_field");
    let endless = kms.post("/webauthn/register/begin", &json!({ "userName": "x".repeat(129) })).await;
    endless.refused(400, "invalid_field");
}

fn ceremonies(settings: &Settings) -> Ceremonies {
    Ceremonies::new(settings, &SealingKey::random().unwrap()).unwrap()
}

fn begin(ceremonies: &Ceremonies, now: u64) -> (String, Value) {
    ceremonies.begin(NewUser::new("alice".into(), None, None).unwrap(), now).unwrap()
}

#[test]
fn fake_registrations_evict_no_valid_one() {
    let ceremonies = ceremonies(&Settings { max_registrations: 4, ..settings(Path::new("")) });
    let (begun, options) = begin(&ceremonies, NOW);
    let make_up = |number| {
        let mut passkey = SoftPasskey::create(RP_ID, ORIGIN).unwrap();
        let (id, options) = begin(&ceremonies, NOW + number);
        ceremonies.finish(&id, &passkey.register(&options).unwrap(), NOW + number).unwrap();
    };
    (0..20).for_each(make_up);
    let mut passkey = SoftPasskey::create(RP_ID, ORIGIN).unwrap();
    let (verified, _) = ceremonies.finish(&begun, &passkey.register(&options).unwrap(), NOW + 20).unwrap();
    (20..40).for_each(make_up);
    let found = ceremonies.verified(&verified, NOW + 40).unwrap();
    assert_eq!(&*found.registration.credential_id, passkey.credential_id());
}

#[test]
fn an_account_can_be_created_by_the_initial_id_while_there_is_room() {
    let ceremonies = ceremonies(&Settings { max_registrations: 2, ..settings(Path::new("")) });
    let register = |now| {
        let mut passkey = SoftPasskey::create(RP_ID, ORIGIN).unwrap();
        let (begun, options) = begin(&ceremonies, now);
        let (verified, _) = ceremonies.finish(&begun, &passkey.register(&options).unwrap(), now).unwrap();
        (begun, verified)
    };
    let all = [register(NOW), register(NOW + 1), register(NOW + 2)];
    let by_beginning = |(begun, verified): &(String, String)| {
        let found = ceremonies.verified(begun, NOW + 3);
        found.map(|found| found.id == ceremonies.verified(verified, NOW + 3).unwrap().id)
    };
    assert!(matches!(by_beginning(&all[0]), Err(CeremonyError::NotVerified)));
    assert!(all[1..].iter().all(|registration| by_beginning(registration).unwrap()));
    // Both expire with the registration.
    for (begun, verified) in &all {
        assert!(matches!(ceremonies.verified(begun, NOW + 303), Err(CeremonyError::Unknown)));
        assert!(matches!(ceremonies.verified(verified, NOW + 303), Err(CeremonyError::Unknown)));
    }
}

#[test]
fn an_origin_that_is_not_the_relying_partys_is_refused_at_start() {
    for origins in [vec![], vec!["http://evil.example"], vec![ORIGIN, "http://evil.example"]] {
        let origins = origins.into_iter().map(|origin| origin.parse().unwrap()).collect();
        let settings = Settings { origins, ..settings(Path::new("")) };
        assert!(Ceremonies::new(&settings, &SealingKey::random().unwrap()).is_err());
    }
}

#[tokio::test]
async fn the_counterfactual_sender_is_the_factory_contract_s() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tools = Tools::locate(&root).unwrap();
    let anvil = Anvil::start(tools.anvil(), AnvilOptions::default()).await.unwrap();
    let version = devkit::EntryPointVersion::V07;
    let deployed = devkit::deploy(&anvil, &tools, version).await.unwrap();
    let factory = FactorySettings {
        address: deployed.account_factory.address().into(),
        signature_scheme: None,
        rpc_url: anvil.url().to_string().into(),
        timeout_seconds: 5,
    };
    let kms = Kms::with_factory(settings, Arc::new(ChainFactory::new(&factory).unwrap())).await;
    let (passkey, account) = kms.account().await;

    let owner = account["ownerAddress"].as_str().unwrap().parse().unwrap();
    let salt = U256::from_be_bytes(keccak256(passkey.credential_id()).0);
    let contract = SimpleAccountFactory::at(anvil.provider().clone(), factory.address.into());
    let expected = contract.account_address(owner, salt).await.unwrap();
    assert_eq!(account["sender"], expected.to_string());
    assert_eq!(account["factory"], factory.address.to_string());
}

#[tokio::test]
async fn during_an_outage_of_the_chain_the_account_is_created_and_the_sender_can_be_retried() {
    let factory = FactorySettings {
        address: proto::Address::default(),
        signature_scheme: None,
        rpc_url: "http://127.0.0.1:1".to_owned().into(),
        timeout_seconds: 1,
    };
    let kms = Kms::with_factory(settings, Arc::new(ChainFactory::new(&factory).unwrap())).await;
    let (passkey, registration_id) = kms.register().await;
    let error = kms.create(json!({ "registrationId": registration_id })).await.refused(503, "factory_unavailable");
    assert_eq!(error["retryable"], true);
    kms.get(&format!("/kms/accounts/{}", AccountId::of_credential(passkey.credential_id()))).await.ok();
}

/// Listens on a free port, and answers the first request with this head and an endless body.
async fn node_without_end(head: &'static str) -> (String, tokio::task::JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sent = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 4096]).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        let (part, mut sent) = (vec![b' '; 1 << 16], 0);
        while socket.write_all(&part).await.is_ok() {
            sent += part.len();
        }
        sent
    });
    (url, sent)
}

#[tokio::test]
async fn an_endless_answer_about_the_factory_is_not_read_to_the_end() {
    let (url, sent) = node_without_end("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await;
    let settings = FactorySettings {
        address: proto::Address::default(),
        signature_scheme: None,
        rpc_url: url.into(),
        timeout_seconds: 600,
    };
    ChainFactory::new(&settings).unwrap().look_at().await.unwrap_err();
    let sent = sent.await.unwrap();
    assert!(sent < 64 << 20, "{sent}");
}
