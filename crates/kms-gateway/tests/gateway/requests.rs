//! Refused requests: late, replayed, by the wrong key, or not approved in this form.

use kms_gateway::{Caller, GatewayError};
use proto::{Address, EntryPoint, EntryPointVersion, IntentList, Status};
use serde_json::{Value, json};

use crate::support::{Kms, MAX_COST, NOW, RelayKey, SponsorRequest};

#[tokio::test]
async fn a_timestamp_more_than_300_seconds_off_is_refused_either_way() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    for (now, in_time) in [(NOW + 301, false), (NOW - 301, false), (NOW + 300, true), (NOW - 300, true)] {
        kms.clock.set(now);
        request = request.next(&kms.relay);
        let answer = kms.sponsor(&request).await;
        if in_time {
            answer.ok();
        } else {
            let error = answer.refused(401, "timestamp_skewed");
            // A timestamp in the future becomes valid later.
            assert_eq!(error["retryable"], now < NOW);
        }
    }
}

#[tokio::test]
async fn a_nonce_is_valid_once_in_600_seconds_for_each_relay_key() {
    let kms = Kms::start().await;
    let request = kms.honest_request().await;
    kms.sponsor(&request).await.ok();
    let error = kms.sponsor(&request).await.refused(401, "nonce_replayed");
    assert_eq!(error["retryable"], false);

    // Another request with the same nonce is a replay too.
    let mut other = kms.honest_request().await;
    kms.sponsor(&other).await.refused(401, "nonce_replayed");

    // Another key has its own nonces.
    let key = RelayKey::random();
    kms.authorize(&key, &["sponsor"]).await.ok();
    other.approve_as_relay(&key);
    kms.sponsor(&other).await.ok();

    // The first request could have been in time until NOW + 600.
    for (now, fresh) in [(NOW + 600, false), (NOW + 601, true)] {
        kms.clock.set(now);
        let mut late = SponsorRequest { timestamp: now, nonce: 1, ..request_at(&kms, now).await };
        late.approve_as_relay(&kms.relay);
        let answer = kms.sponsor(&late).await;
        if fresh {
            answer.ok();
        } else {
            answer.refused(401, "nonce_replayed");
        }
    }
}

#[tokio::test]
async fn of_the_relay_in_this_process_too_a_nonce_is_valid_once_and_a_replay_has_no_row() {
    let kms = Kms::start().await;
    let request = kms.honest_request().await;
    let relay = Caller::own_relay("test", kms.relay.address());
    kms.gateway.sponsor(request.command(), &relay).await.unwrap();
    let head = kms.verify_audit().await.unwrap();
    let replay = kms.gateway.sponsor(request.command(), &relay).await.unwrap_err();
    assert!(matches!(replay, GatewayError::NonceReplayed), "{replay}");
    assert_eq!(kms.verify_audit().await.unwrap(), head);
    kms.sponsor(&request).await.refused(401, "nonce_replayed");
}

#[tokio::test]
async fn what_the_relay_in_this_process_did_not_sign_is_refused_by_the_tee() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    let relay = Caller::own_relay("test", kms.relay.address());
    for (key, status) in
        [(Some(RelayKey::random()), Status::SignerNotAuthorised), (None, Status::RelaySignatureInvalid)]
    {
        match key {
            Some(key) => request.approve_as_relay(&key),
            None => request.relay_signature.v = 0,
        }
        let refused = kms.gateway.sponsor(request.command(), &relay).await.unwrap_err();
        assert!(matches!(refused, GatewayError::Refused(found) if found == status), "{refused}");
    }
}

async fn request_at(kms: &Kms, now: u64) -> SponsorRequest {
    let mut request = kms.honest_request().await;
    request.terms.valid_until = now + 600;
    request
}

#[tokio::test]
async fn of_two_equal_concurrent_requests_one_is_a_replay() {
    let kms = Kms::start().await;
    let request = kms.honest_request().await;
    let (one, other) = tokio::join!(kms.sponsor(&request), kms.sponsor(&request));
    let mut codes = [one.status.as_u16(), other.status.as_u16()];
    codes.sort_unstable();
    assert_eq!(codes, [200, 401]);
}

#[tokio::test]
async fn a_refused_request_does_not_use_up_its_nonce() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    let honest = request.account_id.clone();
    request.account_id = "nobody".parse().unwrap();
    request.approve_as_relay(&kms.relay);
    kms.sponsor(&request).await.refused(404, "account_unknown");
    request.account_id = honest;
    request.approve_as_relay(&kms.relay);
    kms.sponsor(&request).await.ok();
}

#[tokio::test]
async fn an_unauthorised_relay_key_is_refused() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    request.approve_as_relay(&RelayKey::random());
    kms.sponsor(&request).await.refused(403, "signer_not_authorised");
}

#[tokio::test]
async fn a_relay_key_without_the_permission_is_refused() {
    let kms = Kms::start().await;
    let (passkey, account) = kms.account().await;
    let key = RelayKey::random();
    kms.authorize(&key, &["sponsor"]).await.ok();
    let mut request = SponsorRequest::new(passkey, &account);
    request.op["paymaster"] = "0x1111111111111111111111111111111111111111".into();
    let request = request.signed_as_given(&key);
    kms.send(request.to_be_signed(&kms)).await.refused(403, "permission_missing");

    let other = RelayKey::random();
    kms.authorize(&other, &["sign_user_operation"]).await.ok();
    let mut request = kms.honest_request().await;
    request.approve_as_relay(&other);
    kms.sponsor(&request).await.refused(403, "permission_missing");
}

#[tokio::test]
async fn the_named_relay_address_must_be_the_one_that_signed() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    request.claimed_signer = Address([9; 20]);
    kms.sponsor(&request).await.refused(401, "signer_mismatch");
}

#[tokio::test]
async fn without_a_passkey_an_ordinary_relay_key_gets_nothing() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    request.user_signature = None;
    request.approve_as_relay(&kms.relay);
    kms.sponsor(&request).await.refused(401, "passkey_missing");
}

#[tokio::test]
async fn an_assertion_of_another_accounts_passkey_is_refused() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    let (stranger, _) = kms.account().await;
    request.passkey = stranger;
    let request = request.signed(&kms.relay);
    kms.sponsor(&request).await.refused(401, "credential_unknown");
}

#[tokio::test]
async fn an_approval_for_another_account_id_is_refused() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    let own = request.account_id.clone();
    request.account_id = "somebody-else".parse().unwrap();
    request.approve_as_user();
    request.account_id = own;
    request.approve_as_relay(&kms.relay);
    kms.sponsor(&request).await.refused(401, "challenge_mismatch");
}

#[tokio::test]
async fn an_assertion_from_another_origin_is_refused() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    request.passkey.behaviour.origin = "http://evil.example".into();
    kms.sponsor(&request.signed(&kms.relay)).await.refused(401, "origin_not_allowed");
}

#[tokio::test]
async fn an_assertion_without_user_verification_is_refused() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    request.passkey.behaviour.user_verified = false;
    kms.sponsor(&request.signed(&kms.relay)).await.refused(401, "user_not_verified");
}

#[tokio::test]
async fn the_named_public_key_must_be_the_passkeys() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    let (_, other) = kms.account().await;
    request.extra = json!({ "userPublicKey": other["publicKey"] });
    kms.sponsor(&request).await.refused(401, "public_key_mismatch");
    let own = kms.get(&format!("/kms/accounts/{}", request.account_id)).await.ok();
    request.extra = json!({ "userPublicKey": own["passkeys"][0]["publicKey"] });
    kms.sponsor(&request).await.ok();
}

#[tokio::test]
async fn another_chain_is_refused() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    request.entry_point.chain_id = 1;
    kms.sponsor(&request.signed(&kms.relay)).await.refused(403, "deployment_not_allowed");
}

#[tokio::test]
async fn another_entry_point_is_refused() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    let address = Address([0xee; 20]);
    request.entry_point = EntryPoint { address, ..request.entry_point };
    kms.sponsor(&request.signed(&kms.relay)).await.refused(403, "deployment_not_allowed");
}

#[tokio::test]
async fn another_paymaster_is_refused() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    request.terms.paymaster = Address([0x78; 20]);
    kms.sponsor(&request.signed(&kms.relay)).await.refused(403, "deployment_not_allowed");
}

#[tokio::test]
async fn an_approval_for_one_entry_point_is_invalid_for_another() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    request.entry_point = crate::support::entry_point(EntryPointVersion::V08);
    request.approve_as_relay(&kms.relay);
    kms.sponsor(&request).await.refused(401, "challenge_mismatch");
}

#[tokio::test]
async fn a_passkey_that_approved_a_list_gets_each_of_its_operations_signed_and_no_other() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    let gas = ["0x186a0", "0x186a1", "0x186a2"];
    let intents = gas.map(|gas| {
        request.op["callGasLimit"] = gas.into();
        request.command().intent_hash()
    });
    let list = IntentList::new(intents[..2].to_vec()).unwrap();
    let mut assertion = request.passkey.assert_challenge(&list.hash().0).unwrap();
    assertion["intents"] = json!(list);
    request.user_signature = Some(assertion.clone());
    for gas in &gas[..2] {
        request.op["callGasLimit"] = (*gas).into();
        request = request.next(&kms.relay);
        kms.sponsor(&request).await.ok();
    }
    request.op["callGasLimit"] = gas[2].into();
    request = request.next(&kms.relay);
    kms.sponsor(&request).await.refused(401, "intent_not_listed");
    request.user_signature = Some(assertion);
    request.user_signature.as_mut().unwrap()["intents"] = json!(intents);
    request = request.next(&kms.relay);
    kms.sponsor(&request).await.refused(401, "challenge_mismatch");
}

#[tokio::test]
async fn gas_changed_after_the_approvals_is_refused() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    request.op["callGasLimit"] = "0x186a1".into();
    // The recovered relay key is now another one; after the relay signs again, the user's approval
    // does not match.
    kms.sponsor(&request).await.refused(401, "signer_mismatch");
    request.approve_as_relay(&kms.relay);
    kms.sponsor(&request).await.refused(401, "challenge_mismatch");
}

#[tokio::test]
async fn terms_changed_after_the_relays_approval_are_refused() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    request.terms.valid_until += 1;
    kms.sponsor(&request).await.refused(401, "signer_mismatch");
}

fn message(error: &Value) -> &str {
    error["message"].as_str().unwrap()
}

#[tokio::test]
async fn ceilings_hold_whatever_the_relay_signs() {
    let kms = Kms::start().await;
    let mut dear = kms.honest_request().await;
    dear.op["maxFeePerGas"] = "0x3635c9adc5dea00000".into();
    let error = kms.sponsor(&dear.signed(&kms.relay)).await.refused(403, "cost_above_ceiling");
    assert!(message(&error).ends_with(&format!(": maxCost is {MAX_COST}")), "{error}");
    let mut long = kms.honest_request().await;
    long.nonce = 2;
    long.terms.valid_until = NOW + 3601;
    let error = kms.sponsor(&long.signed(&kms.relay)).await.refused(403, "window_too_wide");
    assert!(message(&error).ends_with(": maxWindow is 3600 s"), "{error}");
    let mut backwards = kms.honest_request().await;
    backwards.nonce = 3;
    backwards.terms.valid_until = NOW - 1;
    kms.sponsor(&backwards.signed(&kms.relay)).await.refused(400, "window_invalid");
}

#[tokio::test]
async fn an_operation_that_names_a_paymaster_is_not_sponsored() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    request.op["paymaster"] = request.terms.paymaster.to_string().into();
    kms.sponsor(&request.signed(&kms.relay)).await.refused(400, "paymaster_present");
}

#[tokio::test]
async fn an_operation_without_paymaster_is_not_signed_as_given() {
    let kms = Kms::start().await;
    let (passkey, account) = kms.account().await;
    let request = SponsorRequest::new(passkey, &account).signed_as_given(&kms.relay);
    kms.send(request.to_be_signed(&kms)).await.refused(400, "paymaster_missing");
}
