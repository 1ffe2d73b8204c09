//! Compares the packing with the hashes computed by the published EntryPoints.

use std::collections::HashMap;

use alloy_primitives::{Address, B256};
use alloy_provider::Provider;
use devkit::{EntryPointVersion, deploy};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{anvil, tools};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    name: String,
    entry_point_version: String,
    chain_id: u64,
    delegation: Option<Address>,
    user_op: Value,
    user_op_hash: B256,
}

#[tokio::test]
async fn packed_operations_hash_on_chain_as_in_the_vectors() {
    let vectors: Vec<Vector> =
        serde_json::from_str(include_str!("../../../proto/vectors/user-operation-hashes.json")).unwrap();
    let mut chains: HashMap<u64, Vec<Vector>> = HashMap::new();
    for vector in vectors {
        chains.entry(vector.chain_id).or_default().push(vector);
    }

    let mut compared = Vec::new();
    for (chain_id, vectors) in chains {
        let anvil = anvil(chain_id).await;
        for vector in vectors {
            let version: EntryPointVersion = vector.entry_point_version.parse().unwrap();
            if let Some(delegate) = vector.delegation {
                let sender = &vector.user_op["sender"];
                let code = format!("0xef0100{}", alloy_primitives::hex::encode(delegate));
                let request = anvil.provider().client();
                request.request::<_, ()>("anvil_setCode", (json!(sender), code)).await.unwrap();
            }
            let entry_point = deploy(&anvil, &tools(), version).await.unwrap().entry_point;

            let hash = entry_point.user_op_hash(&vector.user_op).await.unwrap();

            assert_eq!(hash, vector.user_op_hash, "{}", vector.name);
            compared.push(version);
        }
    }
    for version in EntryPointVersion::ALL {
        assert!(compared.contains(&version), "no vector for v{version}");
    }
}
