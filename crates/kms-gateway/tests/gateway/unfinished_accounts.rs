//! Accounts that the TEE created before the gateway was killed without recording them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::accounts::found_again;
use crate::support::{FailingTee, Kms, NOW, accept_audit_rows, refuse_audit_rows, until};

impl Kms {
    /// Requests an account for this registration. The TEE creates it, but the process ends before
    /// its row is written.
    pub async fn killed_before_recording_the_account_of(self, registration_id: &Value) -> Self {
        let asked = json!({ "registrationId": registration_id, "accountId": "alice" });
        self.before_indexing(async || self.create(asked.clone()).await.refused(503, "store_unavailable")).await;
        assert_eq!(self.accounts().await, 0);
        self.restart().await
    }

    /// Runs that while no account can be added to the index, as if the process ended before.
    pub async fn before_indexing<T>(&self, run: impl AsyncFnOnce() -> T) -> T {
        let database = self.database().await;
        let trigger = "CREATE TRIGGER killed BEFORE INSERT ON accounts BEGIN SELECT RAISE(ABORT, 'killed'); END";
        sqlx::query(trigger).execute(&database).await.unwrap();
        let outcome = run().await;
        sqlx::query("DROP TRIGGER killed").execute(&database).await.unwrap();
        database.close().await;
        outcome
    }

    async fn accounts(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM accounts").fetch_one(&self.database().await).await.unwrap()
    }

    pub async fn has_in_index(&self, account_id: &str) -> bool {
        let query = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM accounts WHERE account_id = ?1)").bind(account_id);
        query.fetch_one(&self.database().await).await.unwrap()
    }

    async fn creations(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM creations").fetch_one(&self.database().await).await.unwrap()
    }
}

#[tokio::test]
async fn a_client_that_retries_after_a_crash_gets_the_account_that_the_tee_created() {
    for named_again in [true, false] {
        let kms = Kms::start().await;
        let (passkey, registration_id) = kms.register().await;
        let kms = kms.killed_before_recording_the_account_of(&registration_id).await;
        let mut again = json!({ "registrationId": registration_id });
        if named_again {
            again["accountId"] = "alice".into();
        }
        let account = kms.create(again.clone()).await.ok();
        assert_eq!(account["accountId"], "alice");
        assert_eq!(account["publicKey"], proto::json::hex_bytes(&passkey.public_key()));
        let shown = kms.get("/kms/accounts/alice").await.ok();
        assert_eq!(shown["ownerAddress"], account["ownerAddress"]);
        assert_eq!(kms.accounts().await, 1);
        assert_eq!(kms.create(again).await.ok(), account);
    }
}

#[tokio::test]
async fn no_account_is_given_out_before_its_row_is_in_the_audit() {
    let kms = Kms::start().await;
    let (_, registration_id) = kms.register().await;
    let asked = json!({ "registrationId": registration_id, "accountId": "alice" });
    let database = kms.database().await;
    let rows = async || -> Vec<(String, String)> {
        let rows = "SELECT decision, reason FROM audit WHERE account_id = 'alice' ORDER BY seq";
        sqlx::query_as(rows).fetch_all(&database).await.unwrap()
    };
    refuse_audit_rows(&database).await;
    for _ in 0..2 {
        kms.create(asked.clone()).await.refused(503, "store_unavailable");
    }
    assert_eq!((kms.accounts().await, rows().await), (0, Vec::new()));
    accept_audit_rows(&database).await;
    let account = kms.create(asked.clone()).await.ok();
    let allowed = ("allowed".to_owned(), "ok".to_owned());
    assert_eq!(rows().await, std::slice::from_ref(&allowed));
    assert_eq!(kms.create(asked).await.ok(), account);
    assert_eq!(rows().await, std::slice::from_ref(&allowed));

    // If only the index failed, the first request's row says that its effect is unknown.
    let (_, registration_id) = kms.register().await;
    let asked = json!({ "registrationId": registration_id, "accountId": "bob" });
    kms.before_indexing(async || kms.create(asked.clone()).await.refused(503, "store_unavailable")).await;
    kms.create(asked).await.ok();
    let of_bob: Vec<(String, String)> =
        sqlx::query_as("SELECT decision, reason FROM audit WHERE account_id = 'bob' ORDER BY seq")
            .fetch_all(&database)
            .await
            .unwrap();
    assert_eq!(of_bob, [("unknown".to_owned(), "store_unavailable".to_owned()), allowed]);
    kms.verify_audit().await.unwrap();
}

#[tokio::test]
async fn an_account_that_the_index_has_from_a_lost_tee_has_its_row_too() {
    let kms = Kms::start().await;
    let (_, registration_id) = kms.register().await;
    let database = kms.database().await;
    let of_another = "INSERT INTO accounts (account_id, credential_id, owner, signature_scheme, created_at)
        VALUES ('alice', x'01', '0x00000000000000000000000000000000000000aa', 'eip191', 1)";
    sqlx::query(of_another).execute(&database).await.unwrap();
    let account = kms.create(json!({ "registrationId": registration_id, "accountId": "alice" })).await.ok();
    assert_eq!(account["created"], true);
    let rows: Vec<String> =
        sqlx::query_scalar("SELECT decision FROM audit WHERE account_id = 'alice'").fetch_all(&database).await.unwrap();
    assert_eq!(rows, ["allowed"]);
}

#[tokio::test]
async fn a_lost_answer_is_repeated_after_a_restart() {
    let kms = Kms::start().await;
    let (_, registration_id) = kms.register().await;
    let account = kms.create(json!({ "registrationId": registration_id, "accountId": "alice" })).await.ok();
    let kms = kms.restart().await;
    assert_eq!(kms.create(json!({ "registrationId": registration_id })).await.ok(), found_again(&account));
    assert_eq!(kms.accounts().await, 1);
}

#[tokio::test]
async fn an_interrupted_account_goes_to_no_other_passkey() {
    let kms = Kms::start().await;
    let (_, registration_id) = kms.register().await;
    let kms = kms.killed_before_recording_the_account_of(&registration_id).await;
    let (_, another) = kms.register().await;
    kms.create(json!({ "registrationId": another, "accountId": "alice" })).await.refused(409, "account_exists");
    let bob = kms.create(json!({ "registrationId": registration_id, "accountId": "bob" })).await;
    bob.refused(409, "credential_conflict");
    // The account wanted by the other request is never mistaken for its own.
    assert_eq!(kms.accounts().await, 1);
    kms.create(json!({ "registrationId": registration_id })).await.ok();
}

#[tokio::test]
async fn a_lookup_adds_an_interrupted_account_to_the_index() {
    let kms = Kms::start().await;
    let (_, registration_id) = kms.register().await;
    let kms = kms.killed_before_recording_the_account_of(&registration_id).await;
    assert_eq!(kms.accounts().await, 0);
    kms.get("/kms/accounts/alice").await.ok();
    assert_eq!(kms.accounts().await, 1);
}

#[tokio::test]
async fn a_creation_expires_with_its_registration_but_not_before_the_tee_was_asked_about_it() {
    let kms = Kms::start().await;
    let (_, registration_id) = kms.register().await;
    let kms = kms.killed_before_recording_the_account_of(&registration_id).await;
    let (_, refused) = kms.register().await;
    kms.create(json!({ "registrationId": refused, "accountId": "alice" })).await.refused(409, "account_exists");
    assert_eq!((kms.accounts().await, kms.creations().await), (0, 1), "the refused one is not kept");

    kms.clock.set(NOW + 301);
    kms.create(json!({ "registrationId": registration_id })).await.refused(404, "registration_unknown");
    let (_, next) = kms.register().await;
    kms.create(json!({ "registrationId": next })).await.ok();
    until(async || (kms.accounts().await, kms.creations().await) == (2, 0)).await;
}

#[tokio::test]
async fn a_creation_that_the_tee_refuses_leaves_no_row_however_often_it_is_repeated() {
    let kms = Kms::start().await;
    kms.allow_accounts(1).await;
    let (_, registration_id) = kms.register().await;
    kms.create(json!({ "registrationId": registration_id })).await.ok();
    for _ in 0..3 {
        let (_, registration_id) = kms.register().await;
        kms.create(json!({ "registrationId": registration_id })).await.refused(409, "too_many_accounts");
        assert_eq!((kms.accounts().await, kms.creations().await), (1, 0));
    }
}

#[tokio::test]
async fn failing_records_block_neither_new_accounts_nor_the_purge_of_others() {
    let failing = Arc::new(AtomicBool::new(false));
    let kms = Kms::over_tee(Arc::new(FailingTee::start("damaged-", Arc::clone(&failing)))).await;
    // More than are handled at a time, all older than the one that can be settled.
    let names = (0..6).map(|number| format!("damaged-{number}")).chain(["alice".to_owned()]);
    let request_all = async || {
        for name in names {
            let (_, registration_id) = kms.register().await;
            let asked = kms.create(json!({ "registrationId": registration_id, "accountId": name })).await;
            asked.refused(503, "store_unavailable");
        }
    };
    kms.before_indexing(request_all).await;
    let database = kms.database().await;
    sqlx::query("UPDATE creations SET registration = x'00' WHERE account_id = 'damaged-0'")
        .execute(&database)
        .await
        .unwrap();
    failing.store(true, Ordering::SeqCst);

    kms.clock.set(NOW + 301);
    for made in 1..=4 {
        let (_, registration_id) = kms.register().await;
        kms.create(json!({ "registrationId": registration_id })).await.ok();
        until(async || kms.accounts().await >= made).await;
    }
    until(async || kms.has_in_index("alice").await).await;
}
