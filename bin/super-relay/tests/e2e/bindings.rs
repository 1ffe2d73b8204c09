//! A signed operation cannot be changed: the EntryPoint refuses it, whichever field or byte was
//! changed.

use std::ops::Range;

use devkit::{EntryPointVersion, PaymasterOptions, U256};
use serde_json::{Value, json};

use crate::support::{OwnedAccount, Setup, TeeAccount, World, bytes, flip, hex, increment, refused_on_chain};

on_every_version! {
    after_the_tee_has_signed_no_field_can_be_changed,
    after_the_tee_has_signed_no_byte_of_paymaster_data_or_signature_can_be_changed,
    the_paymasters_signature_alone_binds_every_field_and_the_terms,
}

const QUANTITIES: [&str; 5] =
    ["callGasLimit", "verificationGasLimit", "preVerificationGas", "maxFeePerGas", "maxPriorityFeePerGas"];

async fn after_the_tee_has_signed_no_field_can_be_changed(version: EntryPointVersion) {
    let (world, operation) = signed_by_the_tee(version).await;
    let last = |field: &str| bytes(&operation[field]).len() - 1;

    let mut changes = vec![
        (flip(&operation, "sender", 19), "AA14"),
        (increment(&operation, "nonce"), "AA25"),
        (flip(&operation, "callData", last("callData")), "AA24"),
    ];
    changes.extend(QUANTITIES.map(|field| (increment(&operation, field), "AA24")));
    if version == EntryPointVersion::V06 {
        changes.push((flip(&operation, "initCode", 19), "AA13"));
        changes.push((flip(&operation, "initCode", last("initCode")), "AA14"));
        changes.push((flip(&operation, "paymasterAndData", 19), "AA31"));
    } else {
        changes.push((flip(&operation, "factory", 19), "AA13"));
        changes.push((flip(&operation, "factoryData", last("factoryData")), "AA14"));
        changes.push((flip(&operation, "paymaster", 19), "AA31"));
        changes.push((increment(&operation, "paymasterVerificationGasLimit"), "AA24"));
        changes.push((increment(&operation, "paymasterPostOpGasLimit"), "AA24"));
    }

    for (changed, code) in changes {
        assert_eq!(refused(&world, &changed).await, code, "{}", difference(&operation, &changed));
    }
    assert!(world.entry_point().handle_ops(&operation).await.unwrap().success);
}

async fn after_the_tee_has_signed_no_byte_of_paymaster_data_or_signature_can_be_changed(version: EntryPointVersion) {
    let (world, operation) = signed_by_the_tee(version).await;

    // Up to v0.8 the account signed all of it; v0.9 leaves the paymaster's signature to the
    // paymaster.
    let parts = match version {
        EntryPointVersion::V06 => vec![("paymasterAndData", 20..97, "AA24")],
        EntryPointVersion::V07 | EntryPointVersion::V08 => vec![("paymasterData", 0..77, "AA24")],
        EntryPointVersion::V09 => vec![("paymasterData", 0..12, "AA24"), ("paymasterSignature", 0..65, "AA34")],
    };
    for (field, range, code) in parts {
        assert_eq!(bytes(&operation[field]).len(), range.end, "{field}");
        for position in range {
            let changed = flip(&operation, field, position);
            let code = if is_window_bounded(&changed) { code } else { "AA33" };
            assert_eq!(refused(&world, &changed).await, code, "{field}[{position}]");
        }
    }
    for position in 0..65 {
        // AA23 if no key can be recovered at all: then the account reverts.
        let code = refused(&world, &flip(&operation, "signature", position)).await;
        assert!(["AA23", "AA24"].contains(&code.as_str()), "signature[{position}]: {code}");
    }
    assert!(world.entry_point().handle_ops(&operation).await.unwrap().success);
}

/// The account's owner signs every changed operation again, so that nothing but the paymaster's
/// signature is in the way.
async fn the_paymasters_signature_alone_binds_every_field_and_the_terms(version: EntryPointVersion) {
    let world = Setup::of(version).without_passkey().start().await;
    let account = OwnedAccount::new(&world, 1).await;
    let operation = account.operation(&world).await;
    let operation = with_paymaster_data(&world, operation).await;
    let last = |field: &str| bytes(&operation[field]).len() - 1;

    let mut changes = vec![flip(&operation, "callData", last("callData")), in_another_nonce_lane(&operation)];
    changes.extend(QUANTITIES.map(|field| increment(&operation, field)));
    let sibling = OwnedAccount::with_salt(&world, 1, 1).await;
    let mut for_the_sibling = operation.clone();
    let paymaster = world.second_paymaster().await.address();
    let mut by_another_paymaster = operation.clone();
    for_the_sibling["sender"] = json!(sibling.sender);
    if version == EntryPointVersion::V06 {
        for_the_sibling["initCode"] = sibling.operation(&world).await["initCode"].clone();
        let data = &bytes(&operation["paymasterAndData"])[20..];
        by_another_paymaster["paymasterAndData"] = hex([paymaster.as_slice(), data].concat());
        changes.extend((20..97).map(|position| flip(&operation, "paymasterAndData", position)));
    } else {
        for_the_sibling["factoryData"] = sibling.operation(&world).await["factoryData"].clone();
        by_another_paymaster["paymaster"] = json!(paymaster);
        changes.push(increment(&operation, "paymasterVerificationGasLimit"));
        changes.push(increment(&operation, "paymasterPostOpGasLimit"));
        let length = bytes(&operation["paymasterData"]).len();
        changes.extend((0..length).map(|position| flip(&operation, "paymasterData", position)));
    }
    changes.extend([for_the_sibling, by_another_paymaster]);

    for changed in changes {
        let changed = account.sign(&world, &changed).await;
        let code = if is_window_bounded(&changed) { "AA34" } else { "AA33" };
        assert_eq!(refused(&world, &changed).await, code, "{}", difference(&operation, &changed));
    }
    let ready = account.sign(&world, &operation).await;
    assert!(world.entry_point().handle_ops(&ready).await.unwrap().success);
}

async fn signed_by_the_tee(version: EntryPointVersion) -> (World, Value) {
    let world = World::start(version).await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let answer = account.sponsored(&world, &operation).await.unwrap();
    (world, answer["userOperation"].clone())
}

async fn with_paymaster_data(world: &World, mut operation: Value) -> Value {
    let params = json!([operation, world.entry_point().address(), "0x7a69", null]);
    let fields = world.rpc().call("pm_getPaymasterData", params).await.unwrap();
    operation.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    operation
}

/// A nonce that the EntryPoint accepts too: the first of another key.
fn in_another_nonce_lane(operation: &Value) -> Value {
    let mut changed = operation.clone();
    changed["nonce"] = json!(U256::ONE << 64);
    changed
}

/// Whether the contract compares the signature at all: it reverts (AA33) for windows that no signer
/// may sign.
fn is_window_bounded(operation: &Value) -> bool {
    let data = match operation.get("paymasterAndData") {
        Some(data) => bytes(data)[20..].to_vec(),
        None => bytes(&operation["paymasterData"]),
    };
    let seconds = |range: Range<usize>| data[range].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let (until, after) = (seconds(0..6), seconds(6..12));
    let widest = u64::from(PaymasterOptions::default().max_window_seconds) + 60;
    (until | after) >> 47 == 0 && until.checked_sub(after).is_some_and(|width| width <= widest)
}

async fn refused(world: &World, operation: &Value) -> String {
    refused_on_chain(world.entry_point().handle_ops(operation).await)
}

fn difference(one: &Value, other: &Value) -> String {
    let fields = one.as_object().unwrap().keys();
    let changed: Vec<_> = fields.filter(|field| one[*field] != other[*field]).map(String::as_str).collect();
    changed.join(", ")
}
