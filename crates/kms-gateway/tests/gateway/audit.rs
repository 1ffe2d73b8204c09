//! Every decision has a row, and no row can be changed undetected.

use kms_gateway::store::{AuditError, AuditHead};
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{AssertSqlSafe, Row};

use crate::support::{Kms, RelayKey};

impl Kms {
    /// The database, opened by another process.
    pub async fn database(&self) -> SqlitePool {
        let file = SqliteConnectOptions::new().filename(self.folder.path().join("gateway.sqlite"));
        SqlitePool::connect_with(file).await.unwrap()
    }

    /// The number of decisions so far, from the metrics.
    pub fn decided(&self, action: &str, reason: &str) -> f64 {
        let families = self.registry.gather();
        let decisions = families.iter().find(|family| family.name() == "kms_decisions_total").unwrap();
        let labelled = |metric: &&prometheus::proto::Metric| {
            let value = |name| {
                metric.get_label().iter().find(|label| label.name() == name).map(prometheus::proto::LabelPair::value)
            };
            (value("action"), value("reason")) == (Some(action), Some(reason))
        };
        decisions.get_metric().iter().find(labelled).map_or(0.0, |metric| metric.get_counter().get_value())
    }
}

#[tokio::test]
async fn every_decision_has_a_row_with_its_reason() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    let answer = kms.sponsor(&request).await.ok();
    kms.sponsor(&request).await.refused(401, "nonce_replayed");
    request.nonce = 2;
    request.passkey.behaviour.user_verified = false;
    let request = request.signed(&kms.relay);
    kms.sponsor(&request).await.refused(401, "user_not_verified");

    let rows =
        sqlx::query("SELECT action, decision, reason, signer, account_id, user_op_hash, context_hash FROM audit")
            .fetch_all(&kms.database().await)
            .await
            .unwrap();
    let decisions: Vec<(String, String, String)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let expected = [
        ("provision", "allowed", "ok"),
        ("authorize_signer", "allowed", "ok"),
        ("create_account", "allowed", "ok"),
        ("sponsor", "allowed", "ok"),
        ("sponsor", "refused", "nonce_replayed"),
        ("sponsor", "refused", "user_not_verified"),
    ];
    assert_eq!(decisions, expected.map(|(a, d, r)| (a.to_owned(), d.to_owned(), r.to_owned())));

    let sponsored = &rows[3];
    assert_eq!(sponsored.get::<String, _>("signer"), kms.relay.address().to_string());
    assert_eq!(sponsored.get::<String, _>("account_id"), request.account_id.as_str());
    assert_eq!(sponsored.get::<String, _>("user_op_hash"), answer["userOpHash"].as_str().unwrap());
    let context = proto::primitives::keccak256(br#"{"policy":"test"}"#);
    assert_eq!(sponsored.get::<String, _>("context_hash"), context.to_string());
}

/// As docs/api.md says, so that its sender can compute it.
#[tokio::test]
async fn a_callers_data_is_hashed_with_sorted_keys() {
    let kms = Kms::start().await;
    let request = kms.honest_request().await;
    let body = request.body().to_string().replace(r#"{"policy":"test"}"#, r#"{"b": {"d": 1, "c": "é"}, "a": [2]}"#);
    kms.send(request.over_http(&kms).body(body)).await.ok();
    let hash: String = sqlx::query_scalar("SELECT context_hash FROM audit ORDER BY seq DESC LIMIT 1")
        .fetch_one(&kms.database().await)
        .await
        .unwrap();
    let sorted = r#"{"a":[2],"b":{"c":"é","d":1}}"#;
    assert_eq!(hash, proto::primitives::keccak256(sorted).to_string());
}

#[tokio::test]
async fn a_refused_creation_has_a_row_with_the_account_s_id() {
    let kms = Kms::start().await;
    let (_, first) = kms.register().await;
    let reserved = format!("pk_{}", "ab".repeat(20));
    kms.create(json!({ "registrationId": first, "accountId": reserved })).await.refused(400, "account_id_reserved");
    let rows: Vec<(String, Option<String>)> =
        sqlx::query_as("SELECT reason, account_id FROM audit WHERE action = 'create_account'")
            .fetch_all(&kms.database().await)
            .await
            .unwrap();
    assert_eq!(rows, [("account_id_reserved".to_owned(), Some(reserved))]);
}

#[tokio::test]
async fn public_requests_are_counted_and_fill_no_audit() {
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    let before = kms.verify_audit().await.unwrap();
    request.approve_as_relay(&RelayKey::random());
    kms.sponsor(&request).await.refused(403, "signer_not_authorised");
    request.relay_signature.s = [0; 32];
    kms.sponsor(&request).await.refused(401, "relay_signature_invalid");
    request.timestamp -= 301;
    kms.sponsor(&request).await.refused(401, "timestamp_skewed");
    kms.register().await;
    kms.create(json!({ "registrationId": "00000000-0000-4000-8000-000000000000" }))
        .await
        .refused(404, "registration_unknown");
    assert_eq!(kms.verify_audit().await.unwrap(), before);
    for (action, reason) in [
        ("sponsor", "signer_not_authorised"),
        ("sponsor", "relay_signature_invalid"),
        ("sponsor", "timestamp_skewed"),
        ("register_passkey", "ok"),
        ("create_account", "registration_unknown"),
    ] {
        assert!(kms.decided(action, reason) > 0.0, "{action} {reason}");
    }
}

#[tokio::test]
async fn an_untouched_audit_verifies_and_returns_its_head() {
    let kms = Kms::start().await;
    let request = kms.honest_request().await;
    kms.sponsor(&request).await.ok();
    let head = kms.verify_audit().await.unwrap();
    assert_eq!(head.rows, 4);
    let stats = kms.get("/stats").await.ok();
    assert_eq!(stats["audit"]["head"], head.hash.to_string());
}

#[tokio::test]
async fn any_change_of_a_row_breaks_the_chain_at_that_row() {
    for (change, broken_at) in [
        ("UPDATE audit SET reason = 'ok', decision = 'allowed' WHERE seq = 5", 5),
        ("UPDATE audit SET at = at + 1 WHERE seq = 2", 2),
        ("UPDATE audit SET account_id = NULL WHERE seq = 3", 3),
        ("UPDATE audit SET signer = 7 WHERE seq = 2", 2),
        ("UPDATE audit SET counter_from = 1 WHERE seq = 2", 2),
        ("UPDATE audit SET counter_from = NULL, counter_to = NULL WHERE seq = 1", 1),
        ("UPDATE audit SET decision = 'unknown' WHERE seq = 3", 3),
        ("UPDATE audit SET hash = x'00' WHERE seq = 3", 3),
        ("UPDATE audit SET prev_hash = zeroblob(32) WHERE seq = 4", 4),
        ("DELETE FROM audit WHERE seq = 1", 1),
        ("DELETE FROM audit WHERE seq = 3", 3),
    ] {
        let kms = Kms::start().await;
        let request = kms.honest_request().await;
        kms.sponsor(&request).await.ok();
        kms.sponsor(&request).await.refused(401, "nonce_replayed");
        let database = kms.database().await;

        let refused = sqlx::query(AssertSqlSafe(change)).execute(&database).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");

        for trigger in ["audit_is_never_updated", "audit_is_never_deleted"] {
            sqlx::query(AssertSqlSafe(format!("DROP TRIGGER {trigger}"))).execute(&database).await.unwrap();
        }
        sqlx::query(AssertSqlSafe(change)).execute(&database).await.unwrap();
        match kms.verify_audit().await {
            Err(AuditError::Broken { seq }) => assert_eq!(seq, broken_at, "{change}"),
            other => panic!("{change}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_row_before_the_first_breaks_the_chain() {
    for seq in [0, -1, i64::MIN] {
        let kms = Kms::start().await;
        let forged = "INSERT INTO audit (seq, at, request_id, action, decision, reason, prev_hash, hash)
                      SELECT ?, at, request_id, action, decision, reason, prev_hash, hash FROM audit WHERE seq = 1";
        sqlx::query(forged).bind(seq).execute(&kms.database().await).await.unwrap();
        match kms.verify_audit().await {
            Err(AuditError::Broken { seq: 1 }) => {}
            other => panic!("{seq}: {other:?}"),
        }
    }
}

/// Removed rows leave no trace once others follow, and neither does an older copy.
#[tokio::test]
async fn a_noted_head_is_found_among_newer_rows_until_its_row_is_removed() {
    let kms = Kms::start().await;
    let empty = AuditHead::default();
    kms.account().await;
    let noted = kms.verify_audit().await.unwrap();
    kms.account().await;
    let newest = kms.verify_audit().await.unwrap();
    for known in [empty, noted, newest] {
        assert_eq!(kms.verify_audit_since(known).await.unwrap(), newest);
    }

    let database = kms.database().await;
    sqlx::query("DROP TRIGGER audit_is_never_deleted").execute(&database).await.unwrap();
    sqlx::query("DELETE FROM audit WHERE seq >= ?").bind(noted.rows).execute(&database).await.unwrap();
    database.close().await;
    let kms = kms.restart().await;
    for _ in 0..3 {
        kms.account().await;
    }
    let rows_now = kms.verify_audit().await.unwrap().rows;
    assert!(rows_now > newest.rows);
    match kms.verify_audit_since(noted).await {
        Err(AuditError::NotedHeadMissing { noted: missing, rows }) => {
            assert_eq!((missing, rows), (noted.hash, rows_now));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn concurrent_decisions_form_one_chain() {
    let kms = Kms::start().await;
    let mut requests = Vec::new();
    for nonce in 0..24 {
        let mut request = kms.honest_request().await;
        request.nonce = nonce;
        request.approve_as_relay(&kms.relay);
        requests.push(request.over_http(&kms));
    }
    let before = kms.verify_audit().await.unwrap().rows;
    let sent: Vec<_> = requests.into_iter().map(|request| tokio::spawn(request.send())).collect();
    for answer in sent {
        assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    }
    let after = kms.verify_audit().await.unwrap().rows;
    assert_eq!(after - before, 24);
}

#[tokio::test]
async fn decisions_are_counted_by_action_and_reason() {
    let kms = Kms::start().await;
    let request = kms.honest_request().await;
    kms.sponsor(&request).await.ok();
    kms.sponsor(&request).await.refused(401, "nonce_replayed");
    let text = prometheus::TextEncoder::new().encode_to_string(&kms.registry.gather()).unwrap();
    for line in [
        r#"kms_decisions_total{action="sponsor",reason="ok"} 1"#,
        r#"kms_decisions_total{action="sponsor",reason="nonce_replayed"} 1"#,
        r#"kms_tee_call_seconds_count{command="Sponsor"} 1"#,
        "kms_tee_queue_depth 0",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
