//! The holder of a stolen relay key can cause any number of refusals, but fills neither the audit
//! nor the log.

use sqlx::Row as _;

use crate::support::{Kms, Log, NOW, RelayKey, SponsorRequest, accept_audit_rows, refuse_audit_rows};

/// Refusals of one relay key that get a row and a line in a burst.
const BURST: i64 = 100;
/// Number of refusals.
const FLOOD: i64 = 250;

impl Kms {
    /// Causes this many refused sponsorships, requested with this key without a passkey.
    async fn refused_without_passkey(&self, request: &mut SponsorRequest, key: &RelayKey, times: i64) {
        request.user_signature = None;
        for _ in 0..times {
            request.nonce += 1;
            request.approve_as_relay(key);
            self.sponsor(request).await.refused(401, "passkey_missing");
        }
    }

    /// Rows of that key's sponsorships: the decision, and the number of refusals before it without
    /// a row.
    async fn sponsorships_of(&self, key: &RelayKey) -> Vec<(String, Option<i64>)> {
        let rows = sqlx::query("SELECT * FROM audit WHERE action = 'sponsor' AND signer = ? ORDER BY seq")
            .bind(key.address().to_string())
            .fetch_all(&self.database().await)
            .await
            .unwrap();
        rows.iter().map(|row| (row.get("decision"), row.try_get("left_out").ok().flatten())).collect()
    }
}

#[tokio::test]
async fn refusals_of_a_relay_key_are_rate_limited_and_the_next_row_counts_the_suppressed() {
    let log = Log::start();
    let kms = Kms::start().await;
    let stolen = RelayKey::random();
    kms.authorize(&stolen, &["sponsor"]).await.ok();
    let mut request = kms.honest_request().await;
    kms.refused_without_passkey(&mut request, &stolen, FLOOD).await;

    let rows = kms.sponsorships_of(&stolen).await;
    assert_eq!((rows.len(), log.lines("passkey_missing").len()), (100, 100));
    assert!(rows.iter().all(|row| *row == ("refused".to_owned(), None)));
    assert!(kms.decided("sponsor", "passkey_missing") > 249.0, "each one is counted");

    kms.clock.set(NOW + 10);
    kms.refused_without_passkey(&mut request, &stolen, 2).await;
    let rows = kms.sponsorships_of(&stolen).await;
    assert_eq!(rows[100..], [("refused".to_owned(), Some(FLOOD - BURST))]);
    assert_eq!(log.lines("left_out=150").len(), 1);

    // An allowed request always has a row, which reports the suppressed refusals before it.
    request.approve_as_user();
    request.approve_as_relay(&stolen);
    kms.sponsor(&request).await.ok();
    let rows = kms.sponsorships_of(&stolen).await;
    assert_eq!(rows[101..], [("allowed".to_owned(), Some(1))]);
    kms.verify_audit().await.unwrap();
}

#[tokio::test]
async fn a_flood_by_one_relay_key_suppresses_no_row_of_another_or_of_the_admin() {
    let kms = Kms::start().await;
    let stolen = RelayKey::random();
    kms.authorize(&stolen, &["sponsor"]).await.ok();
    let mut request = kms.honest_request().await;
    kms.refused_without_passkey(&mut request, &stolen, FLOOD).await;

    let honest = RelayKey::random();
    kms.authorize(&honest, &["sponsor"]).await.ok();
    kms.refused_without_passkey(&mut request, &honest, BURST).await;
    assert_eq!(kms.sponsorships_of(&honest).await.len(), usize::try_from(BURST).unwrap());

    let before = kms.verify_audit().await.unwrap().rows;
    kms.authorize(&honest, &["sponsor"]).await.refused(409, "signer_already_authorised");
    kms.revoke(&stolen).await.ok();
    assert_eq!(kms.verify_audit().await.unwrap().rows, before + 2);
    request.approve_as_relay(&stolen);
    kms.sponsor(&request).await.refused(403, "signer_not_authorised");
    assert_eq!(kms.verify_audit().await.unwrap().rows, before + 2);
}

#[tokio::test]
async fn a_refusal_whose_row_failed_is_counted_in_the_next_one() {
    let kms = Kms::start().await;
    let stolen = RelayKey::random();
    kms.authorize(&stolen, &["sponsor"]).await.ok();
    let mut request = kms.honest_request().await;
    request.user_signature = None;
    request.approve_as_relay(&stolen);
    let database = kms.database().await;
    refuse_audit_rows(&database).await;
    kms.sponsor(&request).await.refused(503, "store_unavailable");
    accept_audit_rows(&database).await;
    kms.refused_without_passkey(&mut request, &stolen, 1).await;
    assert_eq!(kms.sponsorships_of(&stolen).await, [("refused".to_owned(), Some(1))]);
}
