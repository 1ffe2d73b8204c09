//! The allowances of the TEE over HTTP, and over the end of a gateway.

use kms_api::{Route as _, admin};
use proto::command::{Deployment, SetAllowance};
use proto::{Address, EntryPointVersion, Signature, Wei, worst_case_cost};
use serde_json::{Value, json};

use crate::support::{Answer, Kms, PAYMASTER, SponsorRequest, entry_point};

const UNSIGNED: Signature = Signature::UNSIGNED;

fn deployment() -> Deployment {
    Deployment { entry_point: entry_point(EntryPointVersion::V07), paymaster: PAYMASTER }
}

fn cost(request: &SponsorRequest) -> u128 {
    let command = request.command();
    worst_case_cost(&command.op, command.entry_point.version, &command.terms).unwrap().0
}

impl Kms {
    async fn set_allowance(&self, deployment: Deployment, total: u128) -> Answer {
        let (tee_id, counter) = (self.tee_id().await, self.counter().await + 1);
        let mut command = SetAllowance { tee_id, deployment, total: Wei(total), counter, signature: UNSIGNED };
        command.signature = self.admin.sign(&command);
        self.post(admin::SetAllowance::PATH, &json!(admin::SetAllowance::from(&command))).await
    }

    async fn allowances(&self) -> Value {
        self.get("/admin/signers").await.ok()["allowances"].clone()
    }
}

fn amounts(allowances: &Value) -> [u128; 4] {
    ["granted", "spent", "sealed", "remaining"].map(|name| {
        let amount = allowances[0][name].as_str().unwrap();
        u128::from_str_radix(&amount[2..], 16).unwrap()
    })
}

#[tokio::test]
async fn the_admin_sets_a_total_and_the_tee_refuses_beyond_it() {
    let kms = Kms::start().await;
    let request = kms.honest_request().await;
    let cost = cost(&request);
    assert_eq!(kms.allowances().await, json!([]));
    kms.set_allowance(deployment(), cost).await.ok();
    let before = kms.sponsor(&request).await.ok();
    assert_eq!(kms.allowances().await[0]["deployment"]["chainId"], "0x7a69");
    // The same operation and terms: the same signature, which is not charged again.
    let mut again = request.next(&kms.relay);
    assert_eq!(kms.sponsor(&again).await.ok(), before);
    again.op["nonce"] = "0x77".into();
    let another = again.signed(&kms.relay).next(&kms.relay);
    let refusal = kms.sponsor(&another).await.refused(403, "allowance_exhausted");
    assert_eq!(refusal["retryable"], false);
    kms.set_allowance(deployment(), 2 * cost).await.ok();
    kms.sponsor(&another.next(&kms.relay)).await.ok();
    let unknown = Deployment { paymaster: Address([9; 20]), ..deployment() };
    kms.set_allowance(unknown, 1).await.refused(403, "deployment_not_allowed");
}

#[tokio::test]
async fn a_gateway_that_is_stopped_has_the_exact_amounts_sealed() {
    let kms = Kms::start().await;
    let request = kms.honest_request().await;
    let cost = cost(&request);
    kms.set_allowance(deployment(), 1000 * cost).await.ok();
    kms.sponsor(&request).await.ok();
    // At most a second old.
    let chunk = loop {
        let now = amounts(&kms.allowances().await);
        if now[1] > 0 {
            break now;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(chunk, [1000 * cost, cost, 1000 * cost / 16, 999 * cost]);
    let kms = kms.restart().await;
    assert_eq!(amounts(&kms.allowances().await), [1000 * cost, cost, cost, 999 * cost]);
}

#[tokio::test]
async fn the_metrics_show_what_is_left() {
    let kms = Kms::start().await;
    kms.set_allowance(deployment(), 5_000_000_000).await.ok();
    kms.allowances().await;
    let families = kms.registry.gather();
    for name in ["kms_allowance_granted_gwei", "kms_allowance_remaining_gwei"] {
        let family = families.iter().find(|family| family.name() == name).unwrap();
        let metric = &family.get_metric()[0];
        assert!((metric.get_gauge().get_value() - 5.0).abs() < f64::EPSILON, "{name}");
        let labels: Vec<_> = metric.get_label().iter().map(prometheus::proto::LabelPair::name).collect();
        assert_eq!(labels, ["chain_id", "entry_point", "paymaster"]);
    }
}
