//! An admin command that took effect without an acknowledgement is recorded in the audit.

use std::path::Path;
use std::sync::Arc;

use kms_gateway::Settings;
use sqlx::{AssertSqlSafe, Row};

use crate::support::{Gate, GatedTee, Kms, OPTIONS, RelayKey, settings, until};

/// Action, decision, reason, counters.
type AdminRow = (String, String, String, i64, i64);

impl Kms {
    /// The rows about admin commands, skipping this many.
    async fn admin_rows(&self, skipped: usize) -> Vec<AdminRow> {
        self.verify_audit().await.unwrap();
        let query = "SELECT action, decision, reason, counter_from, counter_to FROM audit
                     WHERE counter_to IS NOT NULL ORDER BY seq";
        let rows = sqlx::query(query).fetch_all(&self.database().await).await.unwrap();
        let row = |row: &sqlx::sqlite::SqliteRow| (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4));
        rows.iter().skip(skipped).map(row).collect()
    }

    /// The TEE authorises the key, but the process ends before its row is written.
    async fn killed_before_recording_the_authorisation_of(self, key: &RelayKey) -> Self {
        let database = self.database().await;
        let trigger = "CREATE TRIGGER killed BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'killed'); END";
        sqlx::query(AssertSqlSafe(trigger)).execute(&database).await.unwrap();
        self.authorize(key, &["sponsor"]).await.refused(503, "store_unavailable");
        sqlx::query("DROP TRIGGER killed").execute(&database).await.unwrap();
        database.close().await;
        self.restart().await
    }
}

fn row(action: &str, decision: &str, reason: &str, from: i64, to: i64) -> AdminRow {
    (action.into(), decision.into(), reason.into(), from, to)
}

#[tokio::test]
async fn rows_of_admin_commands_name_the_counter_they_were_signed_for() {
    let kms = Kms::start().await;
    let expected = [row("provision", "allowed", "ok", 1, 1), row("authorize_signer", "allowed", "ok", 2, 2)];
    assert_eq!(kms.admin_rows(0).await, expected);
}

#[tokio::test]
async fn a_command_without_an_answer_is_recorded_as_unknown_and_then_resolved() {
    let gate = Gate::default();
    let settings = |folder: &Path| Settings { tee_timeout_seconds: 5, ..settings(folder) };
    let kms = Kms::over_tee_with(settings, Arc::new(GatedTee::with_options(OPTIONS, gate.clone()))).await;
    let body = kms.authorization(&RelayKey::random(), &["sponsor"]).await;
    gate.shut();
    kms.post("/admin/authorize-signer", &body).await.refused(503, "tee_unavailable");
    let unknown = row("authorize_signer", "unknown", "tee_unavailable", 3, 3);
    assert_eq!(kms.admin_rows(2).await, std::slice::from_ref(&unknown));

    gate.open();
    kms.post("/admin/authorize-signer", &body).await.refused(409, "counter_mismatch");
    let observed = row("admin_counter", "observed", "applied_without_reply", 3, 3);
    assert_eq!(kms.admin_rows(2).await, [unknown, observed]);
}

#[tokio::test]
async fn a_refused_command_is_not_unknown() {
    let kms = Kms::start().await;
    let key = RelayKey::random();
    kms.authorize(&key, &["sponsor"]).await.ok();
    kms.authorize(&key, &["sponsor"]).await.refused(409, "signer_already_authorised");
    kms.get("/health").await.ok();
    let rows = kms.admin_rows(3).await;
    assert_eq!(rows, [row("authorize_signer", "refused", "signer_already_authorised", 4, 4)]);
}

#[tokio::test]
async fn a_command_that_took_effect_before_a_crash_is_found_at_the_next_start() {
    let kms = Kms::start().await;
    let kms = kms.killed_before_recording_the_authorisation_of(&RelayKey::random()).await;
    assert_eq!(kms.admin_rows(2).await, []);
    kms.gateway.ready().await.unwrap();
    let observed = row("admin_counter", "observed", "applied_without_reply", 3, 3);
    assert_eq!(kms.admin_rows(2).await, std::slice::from_ref(&observed));
    // A second comparison adds no row.
    kms.gateway.ready().await.unwrap();
    let kms = kms.restart().await;
    kms.get("/health").await.ok();
    assert_eq!(kms.admin_rows(2).await, [observed]);
}

#[tokio::test]
async fn a_command_in_progress_is_not_mistaken_for_an_unacknowledged_one() {
    let kms = Kms::start().await;
    let one = kms.authorization(&RelayKey::random(), &["sponsor"]).await;
    let other = kms.authorization(&RelayKey::random(), &["sponsor"]).await;
    // While the database is locked, the first command is between its effect and its row; the next
    // command and a query arrive then.
    let database = kms.database().await;
    let mut holder = database.acquire().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *holder).await.unwrap();
    let post = |body| kms.client.post(format!("{}/admin/authorize-signer", kms.url)).json(body).send();
    let first = tokio::spawn(post(&one));
    until(async || kms.counter().await == 3).await;
    let second = tokio::spawn(post(&other));
    kms.get("/health").await.ok();
    sqlx::query("ROLLBACK").execute(&mut *holder).await.unwrap();
    assert_eq!(first.await.unwrap().unwrap().status(), 200);
    assert_eq!(second.await.unwrap().unwrap().status(), 409);
    let admitted = row("authorize_signer", "allowed", "ok", 3, 3);
    assert_eq!(kms.admin_rows(2).await, [admitted]);
}

#[tokio::test]
async fn a_counter_that_was_rolled_back_is_recorded() {
    let kms = Kms::start().await;
    let state = kms.folder.path().join("simulator.state");
    let older = std::fs::read(&state).unwrap();
    kms.authorize(&RelayKey::random(), &["sponsor"]).await.ok();
    // The simulator is not protected from an older copy of its state.
    std::fs::write(&state, older).unwrap();
    let kms = kms.restart().await;
    kms.gateway.ready().await.unwrap();
    assert_eq!(kms.admin_rows(3).await, [row("admin_counter", "observed", "rolled_back", 3, 2)]);
    kms.authorize(&RelayKey::random(), &["sponsor"]).await.ok();
    assert_eq!(kms.admin_rows(4).await, [row("authorize_signer", "allowed", "ok", 3, 3)]);
}
