//! Unknown accounts: lookups cost the KMS almost nothing.

use std::sync::atomic::Ordering;

use devkit::EntryPointVersion::V07;
use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn the_kms_is_asked_once_in_a_moment_for_an_account_that_does_not_exist() {
    let world = World::new(V07).await;
    let before = world.tee.lookups.load(Ordering::SeqCst);
    for _ in 0..20 {
        let refusal = world.client.call("pm_get_account_info", json!(["alice"])).await.unwrap_err();
        refusal.assert_is(-32602, "account_unknown", true);
    }
    assert_eq!(world.tee.lookups.load(Ordering::SeqCst) - before, 1);
    // Created without the relay, which learns of it in a moment.
    world.dapp("alice").await;
    world.clock.advance(2);
    world.client.call("pm_get_account_info", json!(["alice"])).await.unwrap();
}
