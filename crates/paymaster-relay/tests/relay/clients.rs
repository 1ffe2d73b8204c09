//! The exact requests of viem and permissionless: each one is served, or refused for a documented
//! reason.

use std::collections::BTreeMap;
use std::path::Path;

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};

use crate::support::World;

/// `note` is an unknown key: an ignored key may be a limit that somebody relies on.
const UNKNOWN_KEY: &str = "context.note";

#[tokio::test]
async fn every_request_of_viem_and_permissionless_is_understood_or_refused_by_name() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/client-requests.json");
    let vectors: Vec<Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    // The EntryPoints and paymasters of the recording, with the policies it names.
    let world = World::with(V07, 1, |settings| {
        settings["deployments"] = json!([
            { "entry_point": "0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789", "version": "0.6",
              "paymaster": "0x0165878a594ca255338adfa4d48449f69242eb8f" },
            { "entry_point": "0x0000000071727De22E5E9d8BAf0edAc6f37da032", "version": "0.7",
              "paymaster": "0x2279b7a0a67db372996a5fab50d91eaa73d2ebe6" },
            { "entry_point": "0x4337084D9E255Ff0702461CF8895CE9E3b5Ff108", "version": "0.8",
              "paymaster": "0x8a791620dd6260079bf849dc5567adc3f2fdc318" },
        ]);
        let policy = |id: &str| json!({ "id": id, "max_cost_per_operation": "1", "allow_without_passkey": true });
        settings["policies"] = json!([policy("default"), policy("sp_test"), policy("sp_x")]);
    })
    .await;

    let mut outcomes: BTreeMap<(String, String), usize> = BTreeMap::new();
    for vector in &vectors {
        let request = &vector["request"];
        let method = request["method"].as_str().unwrap();
        let params = request["params"].clone();
        let outcome = match world.client.call(method, params.clone()).await {
            Ok(_) => "ok".to_owned(),
            Err(refusal) if refusal.reason() == "invalid_field" => {
                assert_eq!(refusal.data["field"], UNKNOWN_KEY, "{method} {params}");
                refusal.reason().to_owned()
            }
            Err(refusal) => refusal.reason().to_owned(),
        };
        *outcomes.entry((method.to_owned(), outcome)).or_default() += 1;
    }
    let count =
        |method: &str, outcome: &str| outcomes.get(&(method.to_owned(), outcome.to_owned())).copied().unwrap_or(0);
    assert_eq!(outcomes.values().sum::<usize>(), 49, "{outcomes:?}");
    // Requests that parse are checked against a chain that has only v0.7, none of these accounts,
    // and no deposit.
    for method in ["pm_getPaymasterStubData", "pm_getPaymasterData"] {
        let parsed: usize =
            ["ok", "contract_mismatch", "account_nonce_invalid", "account_not_deployed", "cost_above_policy"]
                .iter()
                .map(|outcome| count(method, outcome))
                .sum();
        let with_note = vectors
            .iter()
            .filter(|vector| vector["request"]["method"] == method && !vector["request"]["params"][3]["note"].is_null())
            .count();
        assert_eq!(count(method, "invalid_field"), with_note, "{outcomes:?}");
        let all = vectors.iter().filter(|vector| vector["request"]["method"] == method).count();
        assert_eq!(parsed + with_note, all, "{outcomes:?}");
    }
    // The recording wants windows of 60 s, which no bundler would accept.
    assert_eq!(count("pm_sponsorUserOperation", "validity_too_short"), 3, "{outcomes:?}");
    // It asks about policies that this relay does not have: none of them would sponsor.
    assert_eq!(count("pm_validateSponsorshipPolicies", "ok"), 3, "{outcomes:?}");
}
