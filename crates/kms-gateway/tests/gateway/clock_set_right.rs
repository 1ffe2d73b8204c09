//! The host's clock was briefly ahead and is corrected: nothing already used becomes valid again,
//! and nothing stays blocked for as long as the clock was ahead.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use devkit::SoftPasskey;
use kms_gateway::Settings;
use kms_gateway::ceremony::{Ceremonies, NewUser, SealingKey};
use serde_json::json;

use crate::support::{FailingTee, Gate, GatedTee, Kms, NOW, ORIGIN, RP_ID, SponsorRequest, settings, until};

const AHEAD: u64 = NOW + 9 * 86_400;

#[tokio::test]
async fn a_nonce_used_before_or_meanwhile_is_not_valid_again() {
    let kms = Kms::start().await;
    let before = kms.honest_request().await;
    kms.sponsor(&before).await.ok();
    kms.clock.set(AHEAD);
    let mut meanwhile = SponsorRequest { timestamp: AHEAD, nonce: 2, ..kms.honest_request().await };
    (meanwhile.terms.valid_after, meanwhile.terms.valid_until) = (AHEAD - 60, AHEAD + 540);
    meanwhile.approve_as_relay(&kms.relay);
    kms.sponsor(&meanwhile).await.ok();

    kms.clock.set(NOW + 10);
    kms.sponsor(&before).await.refused(401, "nonce_replayed");
    kms.clock.set(AHEAD + 10);
    kms.sponsor(&meanwhile).await.refused(401, "nonce_replayed");
}

#[tokio::test]
async fn accounts_created_meanwhile_count_against_neither_limit() {
    let few = |folder: &Path| Settings { accounts_per_hour: 2, ..settings(folder) };
    let kms = Kms::over_tee_with(few, Arc::new(GatedTee::start(8, Gate::default()))).await;
    kms.clock.set(AHEAD);
    for _ in 0..2 {
        kms.account().await;
    }
    kms.clock.set(NOW);
    for _ in 0..2 {
        kms.account().await;
    }
    let (_, third) = kms.register().await;
    kms.create(json!({ "registrationId": third })).await.refused(429, "creation_rationed");
}

#[tokio::test]
async fn an_account_requested_before_is_not_given_up() {
    let failing = Arc::new(AtomicBool::new(false));
    let kms = Kms::over_tee(Arc::new(FailingTee::start("damaged-", Arc::clone(&failing)))).await;
    let (_, registration_id) = kms.register().await;
    let asked = json!({ "registrationId": registration_id, "accountId": "damaged-0" });
    kms.before_indexing(async || kms.create(asked.clone()).await.refused(503, "store_unavailable")).await;
    failing.store(true, Ordering::SeqCst);
    for now in [AHEAD, AHEAD + 1] {
        kms.clock.set(now);
        kms.account().await;
    }
    failing.store(false, Ordering::SeqCst);
    kms.clock.set(NOW + 301);
    kms.account().await;
    until(async || kms.has_in_index("damaged-0").await).await;
}

#[tokio::test]
async fn an_account_interrupted_meanwhile_is_found_immediately() {
    let kms = Kms::start().await;
    kms.clock.set(AHEAD);
    let (_, registration_id) = kms.register().await;
    // Its clock is correct after the restart.
    let kms = kms.killed_before_recording_the_account_of(&registration_id).await;
    kms.account().await;
    until(async || kms.has_in_index("alice").await).await;
}

#[test]
fn registrations_verified_meanwhile_evict_no_later_ones() {
    let two = Settings { max_registrations: 2, ..settings(Path::new("")) };
    let ceremonies = Ceremonies::new(&two, &SealingKey::random().unwrap()).unwrap();
    let register = |now| {
        let mut passkey = SoftPasskey::create(RP_ID, ORIGIN).unwrap();
        let (begun, options) = ceremonies.begin(NewUser::new("alice".into(), None, None).unwrap(), now).unwrap();
        ceremonies.finish(&begun, &passkey.register(&options).unwrap(), now).unwrap();
        begun
    };
    for _ in 0..2 {
        register(AHEAD);
    }
    for begun in [NOW, NOW + 1].map(register) {
        ceremonies.verified(&begun, NOW + 2).unwrap();
    }
}
