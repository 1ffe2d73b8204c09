//! Rotations by relay keys themselves: rate-limited, and without blocking others.

use std::sync::Arc;

use kms_api::Reason;
use kms_gateway::Caller;
use kms_gateway::transport::{Asker, TeeTransport as _};
use proto::command::{AuthorizeSigner, RevokeSigner};
use proto::frame::encode_request;
use proto::signers::AuthorisedSigner;
use proto::{Permissions, Signature, Status};
use serde_json::Value;
use tokio::task::yield_now;

use crate::support::{Gate, GatedTee, Kms, NOW, RelayKey, until};

const UNSIGNED: Signature = Signature::UNSIGNED;

impl Kms {
    pub async fn rotate(&self, current: &RelayKey, next: &RelayKey) -> Result<(), kms_gateway::GatewayError> {
        self.gateway.administer(self.next_rotation(current, next).await, &Caller::internal("test")).await
    }

    /// The actions audited after this row.
    async fn actions_after(&self, rows: i64) -> Vec<String> {
        let file = self.folder.path().join("gateway.sqlite");
        let database = sqlx::SqlitePool::connect(&format!("sqlite:{}", file.display())).await.unwrap();
        let actions = sqlx::query_scalar("SELECT action FROM audit WHERE seq > ?1 ORDER BY seq")
            .bind(rows)
            .fetch_all(&database)
            .await
            .unwrap();
        database.close().await;
        actions
    }
}

#[tokio::test]
async fn a_record_is_rotated_once_per_interval_by_its_own_key_and_any_time_by_the_admin() {
    let kms = Kms::start().await;
    let [first, second, third] = [(); 3].map(|()| RelayKey::random());
    let other = RelayKey::random();
    kms.authorize(&other, &["rotate"]).await.ok();
    kms.rotate(&kms.relay, &first).await.unwrap();

    let before = kms.verify_audit().await.unwrap();
    let rotation = kms.rotation(&first, &second).await;
    for _ in 0..20 {
        let url = format!("{}/admin/rotate-signer", kms.url);
        let refused = kms.client.post(url).json(&rotation).send().await.unwrap();
        assert_eq!(refused.headers()["retry-after"], "60");
        let body: Value = refused.json().await.unwrap();
        assert_eq!(body["error"]["code"], "rotation_too_soon");
        assert_eq!(body["error"]["retryable"], true);
    }
    assert_eq!(kms.verify_audit().await.unwrap(), before, "a refusal costs no write");
    assert!(kms.rotate(&other, &RelayKey::random()).await.is_ok(), "each record has its own interval");

    let mut by_admin = kms.next_rotation(&first, &second).await;
    by_admin.admin_signature = Some(kms.admin.sign(&by_admin));
    kms.gateway.administer(by_admin, &Caller::internal("test")).await.unwrap();
    assert_eq!(kms.rotate(&second, &third).await.unwrap_err().reason(), Reason::RotationTooSoon);
    kms.clock.set(NOW + 60);
    kms.rotate(&second, &third).await.unwrap();
}

#[tokio::test]
async fn a_revocation_waits_for_at_most_one_rotation() {
    let gate = Gate::default();
    let kms = Kms::over_tee(Arc::new(GatedTee::start(8, gate.clone()))).await;
    let mut rotations = Vec::new();
    for _ in 0..6 {
        let key = RelayKey::random();
        kms.authorize(&key, &["rotate"]).await.ok();
        rotations.push(kms.next_rotation(&key, &RelayKey::random()).await);
    }
    let AuthorisedSigner { record, authorised_as, .. } = kms.record_of(&kms.relay).await;
    let (tee_id, counter) = (kms.tee_id().await, kms.counter().await + 1);
    let mut revoke = RevokeSigner { tee_id, record, authorised_as, counter, signature: UNSIGNED };
    revoke.signature = kms.admin.sign(&revoke);
    let before = kms.verify_audit().await.unwrap().rows;
    // From here on the gateway calls the TEE only for the commands.
    let forged = RevokeSigner { signature: UNSIGNED, ..revoke };
    assert!(kms.gateway.administer(forged, &Caller::internal("test")).await.is_err());

    gate.shut();
    let mut commands: Vec<_> = rotations
        .into_iter()
        .map(|rotation| {
            let gateway = kms.gateway.clone();
            tokio::spawn(async move { gateway.administer(rotation, &Caller::internal("test")).await })
        })
        .collect();
    until(async || kms.gateway.queue_stats().depth == 1).await;
    for _ in 0..100 {
        yield_now().await;
    }
    let gateway = kms.gateway.clone();
    commands.push(tokio::spawn(async move { gateway.administer(revoke, &Caller::internal("test")).await }));
    for _ in 0..100 {
        yield_now().await;
    }
    gate.open();
    for command in commands {
        command.await.unwrap().unwrap();
    }
    let actions = kms.actions_after(before).await;
    let place = actions.iter().position(|action| action == "revoke_signer").unwrap();
    assert!(place <= 1 && actions.len() == 7, "{actions:?}");
}

/// Other gateways of the same TEE may have sent it commands since.
#[tokio::test]
async fn a_gateway_learns_of_commands_sent_by_others() {
    let tee = Arc::new(GatedTee::start(8, Gate::default()));
    let kms = Kms::over_tee(Arc::<GatedTee>::clone(&tee)).await;
    let (tee_id, counter) = (kms.tee_id().await, kms.counter().await + 1);
    let authorization = |key: &RelayKey| {
        let (signer, permissions) = (key.address(), Permissions::SPONSOR);
        let mut command = AuthorizeSigner { tee_id, signer, permissions, counter, signature: UNSIGNED };
        command.signature = kms.admin.sign(&command);
        command
    };
    let (there, late) = (authorization(&RelayKey::random()), authorization(&RelayKey::random()));
    let forged = AuthorizeSigner { signature: UNSIGNED, ..late };
    assert!(kms.gateway.administer(forged, &Caller::internal("test")).await.is_err());
    assert_eq!(tee.invoke(encode_request(&there).unwrap(), Asker::Anyone).await.unwrap(), [0; 4]);
    // Forged commands cost the TEE an occasional call, in which the gateway learns that this
    // counter has passed.
    let before = kms.calls_of("VerifySecurityState");
    until(async || {
        assert!(kms.gateway.administer(forged, &Caller::internal("test")).await.is_err());
        kms.calls_of("VerifySecurityState") > before
    })
    .await;
    let rows = kms.verify_audit().await.unwrap().rows;
    let refused = kms.gateway.administer(late, &Caller::internal("test")).await.unwrap_err();
    assert_eq!(refused.reason(), Status::CounterMismatch.into());
    assert_eq!(kms.verify_audit().await.unwrap().rows, rows, "the TEE was asked for it");
}

#[tokio::test]
async fn a_command_after_one_sent_by_others_is_accepted_after_the_counter_is_reread() {
    let tee = Arc::new(GatedTee::start(8, Gate::default()));
    let kms = Kms::over_tee(Arc::<GatedTee>::clone(&tee)).await;
    let (tee_id, counter) = (kms.tee_id().await, kms.counter().await);
    let [there, next] = [counter + 1, counter + 2].map(|counter| {
        let (signer, permissions) = (RelayKey::random().address(), Permissions::SPONSOR);
        let mut command = AuthorizeSigner { tee_id, signer, permissions, counter, signature: UNSIGNED };
        command.signature = kms.admin.sign(&command);
        command
    });
    // The state cached from here on is older than the command that bypasses the gateway.
    let forged = AuthorizeSigner { signature: UNSIGNED, ..there };
    assert!(kms.gateway.administer(forged, &Caller::internal("test")).await.is_err());
    assert_eq!(tee.invoke(encode_request(&there).unwrap(), Asker::Anyone).await.unwrap(), [0; 4]);
    until(async || kms.gateway.administer(next, &Caller::internal("test")).await.is_ok()).await;
}
