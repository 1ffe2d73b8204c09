//! State that must survive a restart.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use kms_gateway::Gateway;
use kms_gateway::store::{SqliteStore, Store as _};
use kms_gateway::transport::simulator::{SealedFileError, Simulator, SimulatorError};
use tempfile::TempDir;

use crate::support::{Kms, RelayKey};

#[tokio::test]
async fn accounts_signers_nonces_and_audit_survive_a_restart() {
    let kms = Kms::start().await;
    let request = kms.honest_request().await;
    let before = kms.sponsor(&request).await.ok();
    let account = kms.get(&format!("/kms/accounts/{}", request.account_id)).await.ok();
    let signers = kms.get("/admin/signers").await.ok();
    let head = kms.verify_audit().await.unwrap();

    let kms = kms.restart().await;
    assert_eq!(kms.get(&format!("/kms/accounts/{}", request.account_id)).await.ok(), account);
    assert_eq!(kms.get("/admin/signers").await.ok(), signers);
    assert_eq!(kms.verify_audit().await.unwrap(), head);
    kms.sponsor(&request).await.refused(401, "nonce_replayed");
    let again = kms.sponsor(&request.next(&kms.relay)).await.ok();
    assert_eq!(again, before);
}

#[tokio::test]
async fn a_revocation_survives_a_restart() {
    let kms = Kms::start().await;
    let key = RelayKey::random();
    kms.authorize(&key, &["sponsor"]).await.ok();
    let mut request = kms.honest_request().await;
    request.approve_as_relay(&key);
    kms.revoke(&key).await.ok();
    let kms = kms.restart().await;
    kms.sponsor(&request).await.refused(403, "signer_not_authorised");
}

#[tokio::test]
async fn two_processes_never_share_a_simulator() {
    let kms = Kms::start().await;
    match Simulator::open(kms.folder.path()) {
        Err(SimulatorError::State(SealedFileError::Locked)) => {}
        other => panic!("{:?}", other.err()),
    }
}

#[tokio::test]
async fn a_database_whose_first_start_was_interrupted_is_migrated() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("gateway.sqlite");
    // The first start makes an empty file, which the migrations then fill.
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let due = Gateway::look_at(folder.path()).await.unwrap();
    assert!(due.is_some_and(|due| due > 0), "{due:?}");
    SqliteStore::open(&file).await.unwrap().close().await;
    assert_eq!(Gateway::look_at(folder.path()).await.unwrap(), Some(0));
}
