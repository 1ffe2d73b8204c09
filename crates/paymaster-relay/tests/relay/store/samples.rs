//! Sample values for the store tests, and their view of the counters of open reservations: through
//! the port, by limits that one more reservation would exceed.

use std::sync::Arc;

use paymaster_relay::budget::{Bound, Caps, Excess, Limit, Scope};
use paymaster_relay::clients::{ApiKeyId, KeyHash};
use paymaster_relay::store::{
    BlocksRead, Contracts, NewSponsorship, Principal, Record, Reserved, Settlement, Signed, SponsorshipId, Store,
};
use paymaster_relay::{Deployment, Gwei};
use proto::{Address, EntryPoint, EntryPointVersion, Hash, IntentHash, Signature, Terms, Uint256, UserOpHash, Wei};
use serde_json::{Value, json};

pub const GWEI: u128 = 1_000_000_000;
/// Amount reserved by each sample, in wei.
pub const COST: u128 = 7 * GWEI;
/// A deposit that is large enough for all of them.
pub const PLENTY: u128 = 1_000_000 * GWEI;
/// The chain of [`deployment`].
pub const CHAIN: u64 = 1;
/// Later than every window.
pub const NEVER: u64 = u64::MAX / 2;

/// Each scope with a cap, and the suffix of its settings.
const CAPS: [(Scope, &str); 5] = [
    (Scope::ApiKey, "per_api_key"),
    (Scope::Account, "per_account"),
    (Scope::UnprovenCaller, "unproven_per_caller"),
    (Scope::UnprovenPublic, "unproven_public"),
    (Scope::Unproven, "unproven"),
];

pub fn gwei(wei: u128) -> Gwei {
    Gwei::at_least(Wei(wei)).unwrap()
}

/// The limits of that reservation, with a deposit in wei as the only effective one.
pub fn limits(of: &NewSponsorship, deposit: u128) -> Vec<Limit> {
    limits_but(of, json!({}), deposit)
}

/// The same with some settings of `reservations`.
pub fn limits_but(of: &NewSponsorship, settings: Value, deposit: u128) -> Vec<Limit> {
    let mut all = json!({});
    let fields = all.as_object_mut().unwrap();
    for (_, name) in CAPS {
        fields.insert(format!("max_{name}"), json!(1_000_000));
        fields.insert(format!("max_wei_{name}"), json!((PLENTY * PLENTY).to_string()));
        fields.insert(format!("max_percent_{name}"), json!(100));
    }
    fields.extend(settings.as_object().unwrap().clone());
    Caps::new(&serde_json::from_value(all).unwrap(), Wei(1)).unwrap().limits(&of.charged(), gwei(deposit))
}

/// Where one more such reservation would be counted, and how many are open there.
pub async fn counted(store: &Arc<dyn Store>, like: &NewSponsorship) -> Vec<(Scope, u64)> {
    let next = NewSponsorship { id: SponsorshipId::new(), intent: IntentHash([0xee; 32]), ..like.clone() };
    let mut counted = Vec::new();
    for (scope, name) in CAPS {
        let used = async |setting: String, most: Value| match store
            .would_reserve(&next, &limits_but(&next, json!({ setting: most }), PLENTY))
            .await
            .unwrap()
        {
            Reserved::Recorded => None,
            Reserved::OverLimit(Excess::Cap { scope: over, limit, .. }) if over == scope => Some(limit),
            other => panic!("{name}: {other:?}"),
        };
        let reserved = match used(format!("max_wei_{name}"), json!(GWEI.to_string())).await {
            None => continue,
            Some(Bound::Wei { used: Some(used), .. }) => used.0,
            Some(other) => panic!("{other}"),
        };
        let open = match used(format!("max_{name}"), json!(1)).await {
            None => 0,
            Some(Bound::Open { used: Some(used), .. }) => used,
            Some(other) => panic!("{other}"),
        };
        assert_eq!(reserved, u128::from(open) * COST, "{name}");
        counted.push((scope, open));
    }
    counted
}

/// The reserved amount in wei, as reported by the store and as used in its checks.
pub async fn reserved(store: &Arc<dyn Store>) -> u128 {
    let told = store.reserved(&deployment()).await.unwrap();
    let next = NewSponsorship { intent: IntentHash([0xee; 32]), ..sponsorship(0, proven(), None) };
    let outcome = store.would_reserve(&next, &limits(&next, 0)).await.unwrap();
    assert_eq!(outcome, Reserved::OverLimit(Excess::Deposit { reserved: told }));
    told.to_wei().0
}

pub fn deployment() -> Deployment {
    deployment_of(1)
}

pub fn deployment_of(entry_point: u8) -> Deployment {
    Deployment {
        entry_point: EntryPoint {
            chain_id: CHAIN,
            address: Address([entry_point; 20]),
            version: EntryPointVersion::V07,
        },
        paymaster: Address([2; 20]),
        verification_gas_limit: 60_000,
        min_verification_gas_limit: 30_000,
    }
}

/// The same contracts on another chain.
pub fn on_chain(chain_id: u64) -> Deployment {
    let mut deployment = deployment();
    deployment.entry_point.chain_id = chain_id;
    deployment
}

pub fn contracts() -> Contracts {
    Contracts::from(&deployment())
}

/// Its window ends `100 + number` seconds after the epoch.
pub fn sponsorship(number: u8, principal: Principal, api_key: Option<ApiKeyId>) -> NewSponsorship {
    NewSponsorship {
        id: SponsorshipId::new(),
        intent: IntentHash([number; 32]),
        account_id: "alice".parse().unwrap(),
        is_vouched: principal != Principal::Anonymous,
        principal,
        api_key,
        idempotency_key: None,
        policy_id: "default".to_owned(),
        deployment: deployment(),
        block: 1,
        sender: Address([3; 20]),
        account_nonce: Uint256::default(),
        terms: Terms {
            paymaster: Address([2; 20]),
            verification_gas_limit: 60_000,
            post_op_gas_limit: 0,
            valid_until: 100 + u64::from(number),
            valid_after: 0,
        },
        max_cost: gwei(COST),
        charges: Vec::new(),
        price: None,
        created_at: 1,
        webhook: None,
    }
}

/// The same, under an idempotency key.
pub fn keyed(key: &str, sponsorship: NewSponsorship) -> NewSponsorship {
    NewSponsorship { idempotency_key: Some(key.to_owned()), ..sponsorship }
}

/// Another request for the same operation.
pub fn again(sponsorship: &NewSponsorship) -> NewSponsorship {
    NewSponsorship { id: SponsorshipId::new(), ..sponsorship.clone() }
}

pub fn proven() -> Principal {
    Principal::Account("alice".parse().unwrap())
}

pub fn key() -> ApiKeyId {
    ApiKeyId::of_hash(&KeyHash([0xab; 32]))
}

pub fn signed(hash: u8) -> Signed {
    let signature = Signature { r: [1; 32], s: [1; 32], v: 27 };
    Signed {
        user_signature_hash: Hash([1; 32]),
        user_op_hash: UserOpHash([hash; 32]),
        paymaster_signer: Address([4; 20]),
        paymaster_signature: signature,
        account_signature: Some(signature),
        timestamp: 1,
    }
}

/// That an operation was mined there, at that cost in wei, and succeeded.
pub fn settlement(block: u64, cost: u128) -> Settlement {
    Settlement { block, transaction: Hash([0x77; 32]), cost: Wei(cost), gas_used: 50_000, succeeded: true }
}

/// Blocks up to the latest one, all final except the last `young`, with that one operation in them.
pub fn read(latest: u64, young: u64, mined: Option<(UserOpHash, u64)>) -> BlocksRead {
    BlocksRead {
        from: 1,
        to: latest,
        latest,
        last_final: latest.checked_sub(young),
        mined: mined.into_iter().map(|(hash, block)| (hash, settlement(block, GWEI))).collect(),
        next: latest + 1,
    }
}

pub async fn reserve(store: &dyn Store, sponsorship: &NewSponsorship) {
    let outcome = store.reserve(sponsorship, &limits(sponsorship, PLENTY)).await.unwrap();
    assert_eq!(outcome, Reserved::Recorded);
}

/// Reserves and signs; the operation's hash is derived from its number.
pub async fn reserve_signed(store: &dyn Store, number: u8, sponsorship: &NewSponsorship) {
    reserve(store, sponsorship).await;
    assert!(store.record_signed(&sponsorship.id, &sponsorship.terms, &signed(number)).await.unwrap());
}

/// At a time when every window is open.
pub async fn found(store: &Arc<dyn Store>, sponsorship: &NewSponsorship) -> Option<Record> {
    store.find(&sponsorship.intent, &sponsorship.principal, 0).await.unwrap()
}

/// Releases everything expired at these contracts; returns the number.
pub async fn release_expired(store: &dyn Store, contracts: Contracts, ended_before: u64) -> u64 {
    let expired = store.expired(contracts, ended_before, 1000).await.unwrap();
    let ids = expired.into_iter().map(|expired| expired.id).collect();
    store.release_expired(ids, ended_before).await.unwrap()
}
