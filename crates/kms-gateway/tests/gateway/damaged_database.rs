//! A page of the database is damaged while the gateway is stopped, as by a faulty disk.

use kms_gateway::{Gateway, GatewayError};
use serde_json::json;
use sqlx::Connection as _;

use crate::support::{Kms, SponsorRequest, until};

/// A gateway on a database in which the root page of that table or index was zeroed, and a request
/// of an account that it has.
async fn damaged(object: &str) -> (Kms, SponsorRequest) {
    let kms = Kms::start().await;
    let request = kms.honest_request().await;
    kms.sponsor(&request).await.ok();
    let damage = async |folder: &std::path::Path| {
        Gateway::check_pages(folder).await.unwrap();
        let file = folder.join("gateway.sqlite");
        let mut database = sqlx::SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
        let page: u32 = sqlx::query_scalar("SELECT rootpage FROM sqlite_master WHERE name = ?1")
            .bind(object)
            .fetch_one(&mut database)
            .await
            .unwrap();
        database.close().await.unwrap();
        devkit::zero_page(&file, page).unwrap();
        let why = Gateway::check_pages(folder).await.unwrap_err().to_string();
        assert!(why.contains("restore the newest copy"), "{why}");
    };
    let kms = kms.restart_after(damage).await;
    let next = request.next(&kms.relay);
    (kms, next)
}

/// The report is confirmed in the background.
async fn is_told(kms: &Kms) {
    until(async || kms.gateway.ready().await.is_err()).await;
    for why in [kms.gateway.ready().await.unwrap_err(), kms.gateway.recent_database_ready().await.unwrap_err()] {
        let GatewayError::StoreFailing { problem } = &why else { panic!("{why}") };
        assert!(problem.contains("gateway.sqlite is damaged") && problem.contains("malformed"), "{why}");
    }
    let health = kms.get("/health").await;
    assert_eq!((health.status.as_u16(), &health.body["status"]), (503, &json!("store_unavailable")));
}

#[tokio::test]
async fn damage_that_a_write_finds_is_told_for_good_and_what_is_intact_is_served() {
    let log = devkit::Log::start();
    let (kms, mut request) = damaged("nonces").await;
    for _ in 0..3 {
        kms.sponsor(&request).await.refused(503, "store_unavailable");
        is_told(&kms).await;
        kms.account().await;
        is_told(&kms).await;
        request = request.next(&kms.relay);
    }
    assert_eq!(log.lines("the gateway's database is failing").len(), 1);
    assert_eq!(log.lines("recovered"), Vec::<String>::new());
}

#[tokio::test]
async fn damage_that_a_reader_finds_is_told_for_good_and_what_is_intact_is_served() {
    let log = devkit::Log::start();
    let (kms, mut request) = damaged("sqlite_autoindex_accounts_1").await;
    kms.gateway.ready().await.unwrap();
    for _ in 0..3 {
        // The TEE answers; the index only tells whether the account is a stranger's.
        kms.get(&format!("/kms/accounts/{}", request.account_id)).await.ok();
        is_told(&kms).await;
        kms.sponsor(&request).await.ok();
        is_told(&kms).await;
        request = request.next(&kms.relay);
    }
    assert_eq!(log.lines("is damaged").len(), 1);
    assert_eq!(log.lines("recovered"), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_client_is_told_of_damage_has_no_path() {
    let (kms, _) = damaged("sqlite_autoindex_accounts_2").await;
    let error = kms.get("/stats").await.refused(503, "store_unavailable");
    assert_eq!(error["message"], "the gateway's database is not available");
    is_told(&kms).await;
}
