//! Passkeys of an Android app: their origin is the hash of its signing certificate, which browsers
//! never see.

use std::path::Path;
use std::sync::Arc;

use devkit::SoftPasskey;
use devkit::passkey::ExtraKey;
use kms_gateway::Settings;
use kms_gateway::origin::{InvalidOrigin, Origin};
use serde_json::{Value, json};

use crate::support::{Gate, GatedTee, Kms, ORIGIN, RP_ID, SponsorRequest, settings};

const APP: &str = "android:apk-key-hash:TrSIGtzCEFV8kGDTz3jFsNH2TKPWCXAMlVJ3KOpYGrk";

async fn serving(origins: &[&str]) -> Kms {
    let origins = origins.iter().map(|origin| origin.parse().unwrap()).collect();
    let settings = |folder: &Path| Settings { origins, ..settings(folder) };
    Kms::over_tee_with(settings, Arc::new(GatedTee::start(8, Gate::default()))).await
}

impl Kms {
    async fn registration_at(&self, passkey: &mut SoftPasskey) -> (Value, Value) {
        let begun = self.post("/webauthn/register/begin", &json!({ "userName": "alice" })).await.ok();
        (begun["registrationId"].clone(), passkey.register(&begun["publicKey"]).unwrap())
    }
}

fn passkey_of(origin: &str) -> SoftPasskey {
    let mut passkey = SoftPasskey::create(RP_ID, origin).unwrap();
    passkey.behaviour.extra_key = ExtraKey::Always;
    passkey
}

#[tokio::test]
async fn an_app_registers_and_approves_with_and_without_pages() {
    for origins in [&[APP][..], &[ORIGIN, APP]] {
        let kms = serving(origins).await;
        let mut passkey = passkey_of(APP);
        let (id, credential) = kms.registration_at(&mut passkey).await;
        let finish = json!({ "registrationId": id, "credential": credential });
        let finished = kms.post("/webauthn/register/finish", &finish).await.ok();
        let create = json!({ "registrationId": finished["registrationId"] });
        let account = kms.post("/kms/create-deterministic-account", &create).await.ok();
        let request = SponsorRequest::new(passkey, &account).signed(&kms.relay);
        kms.sponsor(&request).await.ok();

        let mut elsewhere = request.next(&kms.relay);
        elsewhere.passkey.behaviour.origin = format!("https://{RP_ID}");
        let elsewhere = elsewhere.signed(&kms.relay);
        kms.sponsor(&elsewhere).await.refused(401, "origin_not_allowed");
    }
}

#[tokio::test]
async fn a_registration_at_an_origin_that_is_not_configured_is_refused() {
    let other = APP.replace("TrSI", "UrSI");
    for (configured, used) in [(ORIGIN, APP), (APP, ORIGIN), (APP, other.as_str()), (APP, "https://localhost")] {
        let kms = serving(&[configured]).await;
        let (id, credential) = kms.registration_at(&mut passkey_of(used)).await;
        let finish = json!({ "registrationId": id, "credential": credential });
        kms.post("/webauthn/register/finish", &finish).await.refused(401, "origin_not_allowed");
    }
}

#[tokio::test]
async fn no_browser_learns_of_an_app() {
    let kms = serving(&[ORIGIN, APP]).await;
    for (origin, told) in [(ORIGIN, Some(ORIGIN)), (APP, None), ("null", None)] {
        let answer = kms.client.get(format!("{}/health", kms.url)).header("origin", origin).send().await.unwrap();
        let allowed = answer.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap());
        assert_eq!(allowed, told, "{origin}");
    }
}

#[test]
fn the_origin_of_an_app_ends_with_a_whole_sha_256() {
    let hash = APP.rsplit_once(':').unwrap().1;
    assert_eq!(APP.parse::<Origin>().unwrap().serialised(), APP);
    let padded = format!("{hash}=");
    let standard = hash.replace('S', "+");
    for wrong in ["", "4E:B4:88", &hash[1..], &padded, &standard, &"A".repeat(64)] {
        let origin = format!("android:apk-key-hash:{wrong}");
        assert_eq!(origin.parse::<Origin>(), Err(InvalidOrigin::AppHash { text: origin.clone() }));
    }
    for origin in ["android:apk-key-hash", "ios:bundle-id:example", "about:blank", "ftp://localhost", "localhost"] {
        assert_eq!(origin.parse::<Origin>(), Err(InvalidOrigin::Unknown { text: origin.to_owned() }));
    }
}

#[test]
fn the_origin_of_a_page_has_nothing_but_scheme_host_and_port() {
    for origin in
        ["https://example.org/app", "https://example.org/?a", "https://example.org/#a", "https://me@example.org"]
    {
        assert_eq!(origin.parse::<Origin>(), Err(InvalidOrigin::Unknown { text: origin.to_owned() }));
    }
    assert_eq!("https://example.org:443/".parse::<Origin>().unwrap().serialised(), "https://example.org");
}
