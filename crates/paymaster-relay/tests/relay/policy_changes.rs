//! Policies that change while the relay runs.

use devkit::EntryPointVersion::V07;
use paymaster_relay::catalogue::{Offer, PolicySet};
use paymaster_relay::settings::Settings;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Refusal, World};

const ETHER: u128 = 10u128.pow(18);

/// A world with the policies `default` and `other`.
async fn with_two() -> World {
    World::with(V07, ETHER, |settings| {
        settings["policies"] = json!([policy("default"), policy("other")]);
    })
    .await
}

fn policy(id: &str) -> Value {
    json!({ "id": id, "max_cost_per_operation": (ETHER / 10).to_string() })
}

async fn stub(world: &World, op: &Value, context: Value) -> Result<Value, Refusal> {
    world.client.call("pm_getPaymasterStubData", json!([op, world.entry_point(), "0x7a69", context])).await
}

#[tokio::test]
async fn a_disabled_policy_is_refused_by_name_and_as_the_default() {
    let world = with_two().await;
    let op = world.dapp(ACCOUNT).await.first_op(0);
    let settings: Settings = serde_json::from_value(world.settings.clone()).unwrap();
    let [_, other] = &settings.policies[..] else { panic!("there are two policies") };
    let disabled = Offer::Disabled { id: "default".into(), chain_ids: Vec::new() };
    let set = PolicySet::new(&settings, [disabled, Offer::Enabled(other.clone())]).unwrap();
    let live = world.relay.parts.catalogue.live_policies();
    live.replace(1, set);
    for context in [json!({ "accountId": ACCOUNT }), json!({ "accountId": ACCOUNT, "policyId": "default" })] {
        let refusal = stub(&world, &op, context).await.unwrap_err();
        refusal.assert_is(-32501, "policy_disabled", false);
        assert_eq!(refusal.data["policyId"], "default");
    }
    stub(&world, &op, json!({ "accountId": ACCOUNT, "policyId": "other" })).await.unwrap();
    let params = json!([op, world.entry_point(), ["default"]]);
    assert_eq!(world.client.call("pm_validateSponsorshipPolicies", params).await.unwrap(), json!([]));

    // An older set does not replace a newer one.
    live.replace(1, PolicySet::new(&settings, settings.policies.iter().cloned().map(Offer::Enabled)).unwrap());
    stub(&world, &op, json!({ "accountId": ACCOUNT })).await.unwrap_err();
}
