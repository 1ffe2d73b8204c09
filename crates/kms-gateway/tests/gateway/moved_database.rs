//! The database file is moved away while the gateway runs, as by a restore or a remounted volume.

use std::fs;

use kms_gateway::GatewayError;
use serde_json::json;

use crate::support::Kms;

#[tokio::test]
async fn nothing_is_signed_or_created_while_the_database_file_is_missing_or_replaced() {
    let kms = Kms::start().await;
    let request = kms.honest_request().await;
    let (_, registration_id) = kms.register().await;
    let create = json!({ "registrationId": registration_id });
    let (file, away) = (kms.folder.path().join("gateway.sqlite"), kms.folder.path().join("away"));
    let calls = || ["Sponsor", "CreateHybridAccount"].map(|command| kms.calls_of(command));
    let before = calls();
    fs::rename(&file, &away).unwrap();
    for _ in 0..2 {
        let error = kms.sponsor(&request).await.refused(503, "store_unavailable");
        assert_eq!(error["retryable"], true);
        kms.post("/kms/create-deterministic-account", &create).await.refused(503, "store_unavailable");
        let why = kms.gateway.ready().await.unwrap_err();
        let GatewayError::StoreFailing { problem } = &why else { panic!("{why}") };
        assert!(problem.contains("gateway.sqlite"), "{why}");
        assert_eq!(calls(), before);
        fs::copy(&away, &file).unwrap();
    }
    fs::rename(&away, &file).unwrap();
    kms.gateway.ready().await.unwrap();
    kms.sponsor(&request).await.ok();
    kms.post("/kms/create-deterministic-account", &create).await.ok();
    assert_eq!(calls(), before.map(|count| count + 1));
    kms.verify_audit().await.unwrap();
}
