//! Policies that have a webhook decide: what it is asked, and what its answer decides.

use std::fs;
use std::path::Path;

use devkit::EntryPointVersion::V07;
use devkit::eventually;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Dapp, Hook, HookSays, Log, Refusal, SECRET, World, approves, nowhere};

const ETHER: u128 = 10u128.pow(18);
const INTENT: &str = "pm_getSponsorshipIntent";
const SPONSOR: &str = "pm_sponsor_with_tee";
const STUB: &str = "pm_getPaymasterStubData";
const REQUESTED: &str = "sponsorship.requested";
const PREVIEWED: &str = "sponsorship.previewed";

/// The default policy asks that webhook, and `trusting` asks none.
pub fn webhook_at(settings: &mut Value, url: &str, more: &Value) {
    let folder = Path::new(settings["database"].as_str().unwrap()).parent().unwrap();
    let file = folder.join("webhook-secret");
    fs::write(&file, format!("{SECRET}\n")).unwrap();
    let mut webhook = json!({ "name": "crm", "url": url, "secrets": [{ "file": file }], "timeout_milliseconds": 1000 });
    webhook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    settings["webhooks"] = json!([webhook]);
    let mut trusting = settings["policies"][0].clone();
    trusting["id"] = "trusting".into();
    settings["policies"][0]["webhook"] = "crm".into();
    settings["policies"].as_array_mut().unwrap().push(trusting);
}

async fn world_at(url: &str, more: Value) -> World {
    World::with(V07, ETHER, |settings| webhook_at(settings, url, &more)).await
}

async fn world(more: Value) -> (World, Hook) {
    let hook = Hook::start();
    (world_at(hook.url(), more).await, hook)
}

async fn sponsor(world: &World, dapp: &mut Dapp, op: &Value, options: Value) -> Result<Value, Refusal> {
    let passkey = world.approval(dapp, op).await;
    world.client.call(SPONSOR, json!([op, ACCOUNT, passkey, options])).await
}

async fn assert_nothing_is_left(world: &World) {
    assert_eq!((world.sponsorships(), world.reserved().await), (0, 0));
}

#[tokio::test]
async fn what_a_webhook_approves_is_what_is_signed() {
    let (world, hook) = world(json!({})).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    world.intent(&dapp, &op).await;
    let answer = sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap();

    let (previewed, requested) = (hook.sent_of(PREVIEWED), hook.sent_of(REQUESTED));
    assert_eq!((previewed.len(), requested.len(), hook.sent().len()), (1, 1, 2));
    let (before, after) = (&previewed[0].body["data"], &requested[0].body["data"]);
    assert_eq!((&before["preview"], &before["sponsorshipId"]), (&json!(true), &Value::Null));
    let id = after["sponsorshipId"].as_str().unwrap();
    assert_eq!((&after["preview"], &requested[0].id), (&json!(false), &format!("requested_{id}")));
    assert!(previewed[0].id.starts_with("previewed_"), "{}", previewed[0].id);

    let signed = &answer["userOperation"];
    for data in [before, after] {
        assert_eq!((&data["policyId"], &data["chainId"]), (&json!("default"), &json!("31337")));
        assert_eq!((&data["accountId"], &data["apiKeyId"]), (&json!(ACCOUNT), &Value::Null));
        assert_eq!(data["entryPoint"].as_str().unwrap().to_lowercase(), world.entry_point().to_lowercase());
        assert_eq!(data["provenByPasskey"], json!(true));
        assert_eq!(data["worstCaseWei"], world.reserved().await.to_string());
        // But for the signatures, of which a webhook gets stand-ins.
        for field in
            ["sender", "nonce", "factory", "factoryData", "callData", "callGasLimit", "maxFeePerGas", "paymaster"]
        {
            let shown = |op: &Value| op[field].as_str().map(str::to_lowercase);
            assert_eq!(shown(&data["userOperation"]), shown(signed), "{field}");
        }
        let call = &data["calls"][0];
        assert_eq!(
            (call["to"].as_str().map(str::to_lowercase), &call["kind"]),
            (Some(format!("0x{}", "aa".repeat(20))), &json!("call"))
        );
    }
    let window = |data: &Value| data["userOperation"]["paymasterData"].as_str().unwrap()[..26].to_owned();
    assert_eq!(window(after), signed["paymasterData"].as_str().unwrap()[..26]);
    assert_ne!(after["userOperation"]["paymasterData"], signed["paymasterData"]);

    // The stored answer is no new sponsorship.
    sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap();
    assert_eq!(hook.sent_of(REQUESTED).len(), 1);
}

#[tokio::test]
async fn what_a_webhook_denies_is_refused_before_the_touch_and_before_it_is_signed() {
    let (world, hook) = world(json!({})).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let long = "x".repeat(3000);
    for (reason, shown) in [
        (json!("over the month's budget"), json!("over the month's budget")),
        (json!("a\nline\u{1b}[2J\u{202e}"), json!("a\\nline\\u{1b}[2J\\u{202e}")),
        (json!(long), json!(format!("{}… (3000 bytes)", "x".repeat(500)))),
        (json!(""), Value::Null),
        (Value::Null, Value::Null),
    ] {
        hook.says(HookSays::Body(json!({ "approve": false, "reason": reason }).to_string()));
        let before = world.client.call(INTENT, json!([op, ACCOUNT])).await.unwrap_err();
        let after = sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap_err();
        for refusal in [before, after] {
            refusal.assert_is(-32501, "webhook_denied", false);
            assert_eq!((&refusal.data["policyId"], &refusal.data["rule"]), (&json!("default"), &json!("webhook")));
            assert_eq!(refusal.data["webhookReason"], shown);
            assert_eq!(shown.as_str().is_some_and(|shown| refusal.message.ends_with(shown)), shown.is_string());
        }
        assert_nothing_is_left(&world).await;
    }
    // A policy without a webhook is not concerned, and the next decision may be another one.
    sponsor(&world, &mut dapp, &op, json!({ "policyId": "trusting" })).await.unwrap();
    hook.says(approves());
    let op = dapp.first_op(1);
    sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap();
}

#[tokio::test]
async fn while_a_webhook_gives_no_valid_answer_its_policy_sponsors_nothing() {
    let (world, hook) = world(json!({ "retries": 1 })).await;
    let elsewhere = Hook::start();
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let body = |body: &str| HookSays::Body(body.to_owned());
    let http = |status| HookSays::Http(status, r#"{"approve":true}"#.to_owned(), "");
    let location: &'static str = format!("location: {}\r\n", elsewhere.url()).leak();
    for says in [
        http("201 Created"),
        http("401 Unauthorized"),
        http("404 Not Found"),
        HookSays::Http("302 Found", String::new(), location),
        HookSays::Http("307 Temporary Redirect", String::new(), location),
        body(""),
        body("null"),
        body("{}"),
        body(r#"{"approve":"true"}"#),
        body(r#"{"approve":true,"approve":false}"#),
        body(r#"{"approve":true,"reason":1}"#),
        body(r#"{"approve":true}{"approve":true}"#),
        HookSays::Long(10_000_000),
        http("500 Internal Server Error"),
        HookSays::DiesMidAnswer,
        HookSays::Nothing,
    ] {
        hook.says(says.clone());
        let before = world.client.call(INTENT, json!([op, ACCOUNT])).await.unwrap_err();
        let after = sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap_err();
        for refusal in [before, after] {
            assert_eq!((refusal.code, refusal.reason()), (-32603, "webhook_unavailable"), "{says:?}: {refusal:?}");
            assert_eq!(refusal.data["retryable"], json!(true));
        }
        assert_nothing_is_left(&world).await;
    }
    assert_eq!(elsewhere.sent().len(), 0, "no redirection is followed");
    sponsor(&world, &mut dapp, &op, json!({ "policyId": "trusting" })).await.unwrap();

    let without = world_at(&nowhere(), json!({})).await;
    let mut dapp = without.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let refusal = sponsor(&without, &mut dapp, &op, Value::Null).await.unwrap_err();
    refusal.assert_is(-32603, "webhook_unavailable", true);
    assert_nothing_is_left(&without).await;
}

#[tokio::test]
async fn a_request_is_repeated_after_a_server_error_under_the_same_id_and_after_nothing_else() {
    let (world, hook) = world(json!({ "retries": 2 })).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let mut asked = 0;
    hook.answers(move |_| {
        asked += 1;
        match asked {
            1 => HookSays::Http("503 Service Unavailable", String::new(), ""),
            2 => HookSays::DiesMidAnswer,
            _ => approves(),
        }
    });
    sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap();
    let ids: Vec<_> = hook.sent().into_iter().map(|sent| sent.id).collect();
    assert_eq!(ids, [&ids[0][..]; 3]);

    hook.says(HookSays::Http("400 Bad Request", String::new(), ""));
    let op = dapp.first_op(1);
    sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap_err();
    assert_eq!(hook.sent().len(), 4);
}

#[tokio::test]
async fn a_sponsorship_is_asked_about_under_one_id_also_after_a_restart_and_for_another_window() {
    let (world, hook) = world(json!({})).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap();
    let world = world.restarted().await;
    let reserved = world.reserved().await;
    // Its window is over.
    world.pass(660).await;
    sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap();
    let requested = hook.sent_of(REQUESTED);
    assert_eq!((requested.len(), &requested[0].id), (2, &requested[1].id));
    assert_ne!(requested[0].body["data"]["validUntil"], requested[1].body["data"]["validUntil"]);

    // What was signed may still be mined: it stays reserved if the next window is denied.
    world.pass(660).await;
    hook.says(HookSays::Body(r#"{"approve":false}"#.to_owned()));
    let refusal = sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap_err();
    assert_eq!((refusal.reason(), world.reserved().await), ("webhook_denied", reserved));
}

#[tokio::test]
async fn a_webhook_that_may_fail_is_missed_by_nobody_and_its_denial_still_counts() {
    let (world, hook) = world(json!({ "on_error": "allow", "timeout_milliseconds": 300 })).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    for (nonce, says) in [HookSays::Http("404 Not Found", String::new(), ""), HookSays::Nothing].into_iter().enumerate()
    {
        hook.says(says);
        let op = dapp.first_op(nonce.try_into().unwrap());
        sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap();
    }
    hook.says(HookSays::Body(r#"{"approve":false}"#.to_owned()));
    let op = dapp.first_op(2);
    let denied = eventually(async || {
        // Until a probe has found that it answers again.
        let answer = world.client.call(INTENT, json!([op, ACCOUNT])).await;
        answer.err()
    })
    .await;
    assert_eq!(denied.reason(), "webhook_denied");
}

#[tokio::test]
async fn a_silent_webhook_holds_up_no_other_policy() {
    let (world, hook) = world(json!({ "timeout_milliseconds": 20_000, "max_calls": 2 })).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    hook.says(HookSays::Nothing);
    let mut waiting = Vec::new();
    for nonce in 0..4 {
        let op = dapp.first_op(nonce);
        let passkey = world.approval(&mut dapp, &op).await;
        let client = world.client.clone();
        waiting.push(tokio::spawn(async move { client.call(SPONSOR, json!([op, ACCOUNT, passkey])).await }));
    }
    eventually(async || (hook.sent().len() == 2).then_some(())).await;

    let op = dapp.first_op(7);
    sponsor(&world, &mut dapp, &op, json!({ "policyId": "trusting" })).await.unwrap();
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
    assert_eq!(hook.sent().len(), 2, "no more are under way at once");
}

#[tokio::test]
async fn previews_which_anybody_may_cause_leave_room_for_sponsorships() {
    let (world, hook) = world(json!({ "timeout_milliseconds": 20_000, "max_calls": 2 })).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    hook.answers(|sent| if sent.body["type"] == PREVIEWED { HookSays::Nothing } else { approves() });
    let (client, asked) = (world.client.clone(), json!([op, ACCOUNT]));
    let waiting = tokio::spawn(async move { client.call(INTENT, asked).await });
    eventually(async || (hook.sent().len() == 1).then_some(())).await;

    let refusal = world.client.call(INTENT, json!([op, ACCOUNT])).await.unwrap_err();
    refusal.assert_is(-32603, "webhook_unavailable", true);
    sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap();
    assert!(!waiting.is_finished());
}

#[tokio::test]
async fn a_stub_is_asked_about_once_it_has_a_cost() {
    let (world, hook) = world(json!({})).await;
    let mut op = world.dapp(ACCOUNT).await.first_op(0);
    let stub = |op: &Value| json!([op, world.entry_point(), "0x7a69", { "accountId": ACCOUNT }]);
    hook.says(HookSays::Body(r#"{"approve":false}"#.to_owned()));
    let refusal = world.client.call(STUB, stub(&op)).await.unwrap_err();
    assert_eq!(refusal.reason(), "webhook_denied");
    op["callGasLimit"] = "0x0".into();
    world.client.call(STUB, stub(&op)).await.unwrap();
    assert_eq!(hook.sent().len(), 1);
}

#[tokio::test]
async fn the_verdict_of_a_webhook_is_asked_for_if_everything_else_passes() {
    let (world, hook) = world(json!({})).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let passkey = world.approval(&mut dapp, &op).await;
    let verdict = async |op: &Value| {
        let params = json!([op, ACCOUNT, passkey, { "dryRun": true }]);
        let answer = world.client.call(SPONSOR, params).await.unwrap();
        let verdicts = answer["verdicts"].as_array().unwrap();
        let verdict = verdicts.iter().find(|verdict| verdict["rule"] == "webhook").unwrap();
        (verdict["outcome"].clone(), verdict["reason"].clone())
    };
    assert_eq!(verdict(&op).await, (json!("passed"), Value::Null));
    hook.says(HookSays::Body(r#"{"approve":false}"#.to_owned()));
    assert_eq!(verdict(&op).await, (json!("refused"), json!("webhook_denied")));
    assert_eq!((hook.sent_of(PREVIEWED).len(), hook.sent().len()), (2, 2));
    assert_nothing_is_left(&world).await;
}

#[tokio::test]
async fn with_two_secrets_each_request_is_signed_with_both() {
    let hook = Hook::start();
    let world = World::with(V07, ETHER, |settings| {
        webhook_at(settings, hook.url(), &json!({}));
        let old = Path::new(settings["database"].as_str().unwrap()).with_file_name("old-secret");
        fs::write(&old, "whsec_c3VwZXItcmVsYXkgc2Vjb25kIHNlY3JldCBvZiAzMiBi").unwrap();
        settings["webhooks"][0]["secrets"].as_array_mut().unwrap().insert(0, json!({ "file": old }));
    })
    .await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap();
    let sent = hook.sent();
    assert_eq!((sent.len(), sent[0].signatures.len()), (1, 2));
}

#[tokio::test]
async fn neither_url_nor_secret_of_a_webhook_is_in_a_log_or_an_answer() {
    let log = Log::start();
    let hook = Hook::start();
    let world = world_at(
        &format!("{}/token-of-the-path?token=of-the-query", hook.url()),
        json!({ "timeout_milliseconds": 300 }),
    )
    .await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    for says in [HookSays::Http("401 Unauthorized", SECRET.to_owned(), ""), HookSays::DiesMidAnswer, HookSays::Nothing]
    {
        hook.says(says);
        let refusal = sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap_err();
        assert!(!format!("{refusal:?}").contains("token"), "{refusal:?}");
    }
    assert_eq!(hook.sent()[0].path, "/token-of-the-path?token=of-the-query");
    assert!(!log.lines("a webhook failed").is_empty() && !log.lines("does not answer").is_empty());
    for secret in ["of-the-path", "of-the-query", "whsec_", "MfKQ9r8G"] {
        assert_eq!(log.lines(secret), Vec::<String>::new());
    }
}

#[tokio::test]
async fn requests_to_a_webhook_are_counted_by_type_and_outcome() {
    let (world, hook) = world(json!({})).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    world.intent(&dapp, &op).await;
    hook.says(HookSays::Body(r#"{"approve":false}"#.to_owned()));
    sponsor(&world, &mut dapp, &op, Value::Null).await.unwrap_err();
    let text = prometheus::TextEncoder::new().encode_to_string(&world.registry.gather()).unwrap();
    for (kind, outcome) in [(PREVIEWED, "approved"), (REQUESTED, "denied")] {
        let line = format!("relay_webhook_requests_total{{outcome=\"{outcome}\",type=\"{kind}\",webhook=\"crm\"}} 1");
        assert!(text.contains(&line), "{text}");
    }
    assert!(text.contains("relay_webhook_seconds_count{webhook=\"crm\"} 2"), "{text}");
}
