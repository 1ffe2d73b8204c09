//! Policies that bound gas and fees.

use alloy_provider::Provider as _;
use devkit::EntryPointVersion::V07;
use devkit::user_operation::Draft;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Fault, Node, World};

const ETHER: u128 = 10u128.pow(18);

/// The base fee of the latest block, and the tip that the node suggests, in wei per gas.
async fn price(world: &World) -> (u128, u128) {
    let provider = world.anvil.provider();
    let block: Value = provider.raw_request("eth_getBlockByNumber".into(), ("latest", false)).await.unwrap();
    let tip: Value = provider.raw_request("eth_maxPriorityFeePerGas".into(), ()).await.unwrap();
    (quantity(&block["baseFeePerGas"]), quantity(&tip))
}

fn quantity(value: &Value) -> u128 {
    u128::from_str_radix(value.as_str().unwrap().strip_prefix("0x").unwrap(), 16).unwrap()
}

#[tokio::test]
async fn a_bound_on_gas_is_told_with_what_the_operation_has() {
    let world = World::with(V07, ETHER, |settings| settings["policies"][0]["max_call_gas"] = json!(150_000)).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let mut op = dapp.first_op(0);
    op["callGasLimit"] = json!("0x249f1");
    let refusal = world.sponsor(&mut dapp, &op).await.unwrap_err();
    refusal.assert_is(-32501, "call_gas_above_policy", false);
    for (name, value) in [("rule", "max_call_gas"), ("limit", "150000"), ("used", "150001"), ("policyId", "default")] {
        assert_eq!(refusal.data[name], value, "{refusal:?}");
    }
    op["callGasLimit"] = json!("0x249f0");
    world.sponsor(&mut dapp, &op).await.unwrap();
}

#[tokio::test]
async fn fees_within_their_share_of_the_chains_price_are_sponsored_to_the_wei() {
    for (setting, reason) in
        [("max_fee_percent", "fee_above_market"), ("max_priority_fee_percent", "priority_fee_above_market")]
    {
        let world = World::with(V07, ETHER, |settings| settings["policies"][0][setting] = json!(300)).await;
        let mut dapp = world.dapp(ACCOUNT).await;
        let (base_fee, tip) = price(&world).await;
        let (limit, field) = match setting {
            "max_fee_percent" => (3 * (base_fee + tip), "maxFeePerGas"),
            _ => (3 * tip, "maxPriorityFeePerGas"),
        };
        let mut op = dapp.first_op(0);
        op["maxFeePerGas"] = json!(format!("{:#x}", 3 * (base_fee + tip)));
        op[field] = json!(format!("{:#x}", limit + 1));
        let refusal = world.sponsor(&mut dapp, &op).await.unwrap_err();
        refusal.assert_is(-32501, reason, true);
        assert_eq!((&refusal.data["rule"], &refusal.data["limit"]), (&json!(setting), &json!(limit.to_string())));
        assert_eq!((world.reserved().await, world.sponsorships()), (0, 0));
        op[field] = json!(format!("{limit:#x}"));
        world.sponsor(&mut dapp, &op).await.unwrap();
    }
}

#[tokio::test]
async fn a_fee_that_was_above_the_market_is_sponsored_once_the_base_fee_has_risen() {
    let world = World::with(V07, ETHER, |settings| settings["policies"][0]["max_fee_percent"] = json!(200)).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let draft = dapp.draft(0, dapp.call_data(alloy_primitives::Address::repeat_byte(1)));
    let op = Draft { max_fee_per_gas: 40_000_000_000, ..draft }.to_json(V07);
    world.sponsor(&mut dapp, &op).await.unwrap_err().assert_is(-32501, "fee_above_market", true);
    let next: &'static str = "anvil_setNextBlockBaseFeePerGas";
    let _: Value = world.anvil.provider().raw_request(next.into(), ["0x6fc23ac00"]).await.unwrap();
    world.anvil.mine(1).await.unwrap();
    world.sponsor(&mut dapp, &op).await.unwrap();
}

#[tokio::test]
async fn the_tip_is_asked_for_once_a_block_and_only_where_a_policy_compares_fees() {
    let mut node = None;
    let world = World::with(V07, ETHER, |settings| {
        node = Some(Node::within(settings));
        settings["policies"] = json!([
            { "id": "plain", "max_cost_per_operation": ETHER.to_string() },
            { "id": "market", "max_cost_per_operation": ETHER.to_string(), "max_fee_percent": 10_000 },
        ]);
    })
    .await;
    let node = node.unwrap();
    let dapp = world.dapp(ACCOUNT).await;
    let intent = async |key: u64, policy: &str| {
        let params = json!([dapp.first_op(key), ACCOUNT, { "policyId": policy }]);
        world.client.call("pm_getSponsorshipIntent", params).await
    };
    let asked = || node.asked("eth_maxPriorityFeePerGas").len();
    intent(0, "plain").await.unwrap();
    assert_eq!(asked(), 0);
    for key in 0..3 {
        intent(key, "market").await.unwrap();
    }
    assert_eq!(asked(), 1);
    world.anvil.mine(1).await.unwrap();
    intent(3, "market").await.unwrap();
    assert_eq!(asked(), 2);

    // A node without the method leaves nothing to compare with.
    world.anvil.mine(1).await.unwrap();
    let unknown = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"method not found"}}"#;
    node.fail(Fault::AnswersTo(|body| body.contains("eth_maxPriorityFeePerGas"), unknown));
    intent(4, "market").await.unwrap_err().assert_is(-32603, "chain_unavailable", true);
    intent(4, "plain").await.unwrap();
}

#[tokio::test]
async fn a_stub_without_fees_is_within_every_bound() {
    let world = World::with(V07, ETHER, |settings| {
        let policy = &mut settings["policies"][0];
        for name in ["max_call_gas", "max_gas_per_operation", "max_fee_per_gas", "max_priority_fee_per_gas"] {
            policy[name] = json!(1);
        }
        (policy["max_fee_percent"], policy["max_priority_fee_percent"]) = (json!(100), json!(100));
    })
    .await;
    let mut op = world.dapp(ACCOUNT).await.first_op(0);
    for name in ["callGasLimit", "verificationGasLimit", "preVerificationGas", "maxFeePerGas", "maxPriorityFeePerGas"] {
        op[name] = json!("0x0");
    }
    let params = json!([op, world.entry_point(), "0x7a69", { "accountId": ACCOUNT }]);
    world.client.call("pm_getPaymasterStubData", params).await.unwrap();
}
