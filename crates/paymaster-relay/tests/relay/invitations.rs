//! Invitations to create accounts: who gets one, and its contents.

use std::fs::File;
use std::time::{Duration, SystemTime};

use devkit::EntryPointVersion::V07;
use k256::ecdsa::{RecoveryId, VerifyingKey};
use paymaster_relay::clients::{KeyKind, NewApiKey, Origins, Scope};
use paymaster_relay::ports::Clock;
use proto::digest::personal_message_hash;
use proto::json::invitation::SignedInvitation;
use proto::{Address, Signature};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::{Refusal, World};

const METHOD: &str = "pm_createAccountInvitation";
const KEY_REFUSED: i64 = -32050;

async fn key(world: &World, kind: KeyKind, scopes: Vec<Scope>) -> String {
    let new = NewApiKey {
        label: format!("{kind:?}{}", scopes.len()),
        kind,
        scopes,
        policies: vec![world.relay.parts.catalogue.policies()[0].id().to_owned()],
        origins: Origins::default(),
        rate: None,
        quota: None,
        valid_for_seconds: None,
    };
    world.api_keys.generate(new).await.unwrap().1.expose_secret().to_owned()
}

/// The answer to a call with this key.
async fn ask(world: &World, key: &str, params: Value) -> Value {
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": METHOD, "params": params });
    let request = devkit::http::client().post(world.client.url()).header("x-api-key", key).json(&call);
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_server_is_given_an_invitation_that_the_relays_key_signed_for_the_tee() {
    let world = World::new(V07).await;
    let key = key(&world, KeyKind::Server, vec![Scope::Invite]).await;
    let answer = ask(&world, &key, json!([{ "validForSeconds": 60, "maxUses": 5 }])).await["result"].clone();
    let signed: SignedInvitation = answer["invitation"].as_str().unwrap().parse().unwrap();
    let expires_at = world.clock.now() + 60;
    assert_eq!((signed.invitation.expires_at, signed.invitation.max_uses), (expires_at, 5));
    assert_eq!((&answer["expiresAt"], &answer["maxUses"]), (&json!(expires_at), &json!(5)));
    assert_eq!(answer["teeId"], signed.invitation.tee_id.to_string());
    assert_eq!(signed.invitation.tee_id, world.tee.state().tee_id);
    let hash = personal_message_hash(&signed.invitation.digest().0);
    let Signature { r, s, v } = signed.signature;
    let signature = k256::ecdsa::Signature::from_scalars(r, s).unwrap();
    let recovery = RecoveryId::from_byte(v - 27).unwrap();
    let key_found = VerifyingKey::recover_from_prehash(&hash.0, &signature, recovery).unwrap();
    let point = key_found.to_sec1_point(false);
    let signer = Address::from_public_key(point.as_bytes()[1..].try_into().unwrap());
    assert_eq!(signer, world.relay_key.address().await);

    let other = ask(&world, &key, json!([])).await["result"].clone();
    let other: SignedInvitation = other["invitation"].as_str().unwrap().parse().unwrap();
    assert_eq!((other.invitation.expires_at, other.invitation.max_uses), (world.clock.now() + 3600, 1));
    assert_ne!(other.invitation.nonce, signed.invitation.nonce);
}

#[tokio::test]
async fn an_invitation_ends_no_later_than_the_key_that_signs_it_is_due_to_be_replaced() {
    const WEEK: u64 = 7 * 86_400;
    // The lifetime of keys, the remaining lifetime of this one, and the resulting validity of
    // invitations, in seconds.
    let cases =
        [(0, 0, WEEK..=WEEK), (86_400, 86_400, 80_000..=86_400), (86_400, 1000, 60..=1000), (86_400, 0, 60..=60)];
    for (interval, left, given) in cases {
        let set = |settings: &mut Value| settings["relay_key"]["rotation_interval_seconds"] = interval.into();
        let mut world = World::with(V07, 10u128.pow(18), set).await;
        world.stop().await;
        let age = Duration::from_secs(interval - left);
        let file = File::options().write(true).open(world.dir.path().join("relay-key.json")).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
        let world = world.started_again().await;
        let key = key(&world, KeyKind::Server, vec![Scope::Invite]).await;
        let answer = ask(&world, &key, json!([{ "validForSeconds": WEEK }])).await["result"].clone();
        let seconds = answer["expiresAt"].as_u64().unwrap() - world.clock.now();
        assert!(given.contains(&seconds), "{seconds} s, of a key that has {left} of {interval} s left");
    }
}

#[tokio::test]
async fn other_callers_get_no_invitation() {
    let world = World::new(V07).await;
    let anonymous = world.client.call(METHOD, json!([])).await.unwrap_err();
    anonymous.assert_is(KEY_REFUSED, "invitation_not_allowed", false);
    // A page's key cannot have the scope.
    for kind in [KeyKind::Publishable, KeyKind::Server] {
        let sponsor = key(&world, kind, vec![Scope::Sponsor]).await;
        let refused = ask(&world, &sponsor, json!([])).await;
        Refusal::of(&refused["error"]).assert_is(KEY_REFUSED, "scope_missing", false);
    }
}

#[tokio::test]
async fn an_invitation_over_a_limit_is_refused_with_the_limit() {
    let world = World::new(V07).await;
    let key = key(&world, KeyKind::Server, vec![Scope::Invite]).await;
    for (options, words) in [
        (json!({ "maxUses": 1001 }), "options.maxUses: expected 1 to 1000, found 1001"),
        (json!({ "maxUses": 0 }), "options.maxUses: expected 1 to 1000, found 0"),
        (json!({ "validForSeconds": 604_801 }), "options.validForSeconds: expected 1 to 604800, found 604801"),
        (json!({ "validForSeconds": "60" }), "options.validForSeconds: expected 1 to 604800, found \"60\""),
        (json!({ "uses": 1 }), "options.uses: no such key"),
    ] {
        let error = ask(&world, &key, json!([options])).await["error"].clone();
        assert_eq!(error["data"]["reason"], "invalid_field");
        assert_eq!(error["message"], words);
    }
}
