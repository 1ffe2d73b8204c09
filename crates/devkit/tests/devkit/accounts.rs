//! SimpleAccount operations that pay for themselves, on the real EntryPoints.

use alloy_primitives::{Address, Bytes, U256, hex};
use devkit::user_operation::Draft;
use devkit::{Call, DevkitError, EntryPointVersion, HandleOpsError, deploy, execute_batch};
use serde_json::{Value, json};

use crate::support::{ETHER, Owner, PAYEE, anvil, balance, chain, first_operation, fund, signed, tools};

#[tokio::test]
async fn an_operation_that_pays_for_itself_is_mined_on_every_version_of_one_chain() {
    let anvil = anvil(31337).await;
    let owner = Owner::new(1);
    for (paid_before, version) in EntryPointVersion::ALL.into_iter().enumerate() {
        let deployment = deploy(&anvil, &tools(), version).await.unwrap();
        let draft = first_operation(&deployment, &owner, 5).await;
        fund(&anvil, draft.sender, ETHER).await;
        let operation = signed(&deployment, &owner, draft.to_json(version)).await;
        let hash = deployment.entry_point.user_op_hash(&operation).await.unwrap();

        let handled = deployment.entry_point.handle_ops(&operation).await.unwrap();

        assert!(handled.success, "v{version}");
        assert_eq!(handled.user_op_hash, hash, "v{version}");
        assert_eq!((handled.sender, handled.paymaster), (draft.sender, Address::ZERO), "v{version}");
        assert_eq!(handled.nonce, U256::ZERO, "v{version}");
        assert_eq!(handled.revert_reason, None, "v{version}");
        assert_eq!(balance(&anvil, PAYEE).await, U256::from(5 * (paid_before + 1)), "v{version}");
        assert_eq!(deployment.entry_point.nonce(draft.sender).await.unwrap(), U256::ONE, "v{version}");
        let spent = U256::from(ETHER) - U256::from(5) - balance(&anvil, draft.sender).await;
        let left = deployment.entry_point.balance_of(draft.sender).await.unwrap();
        assert_eq!(spent, handled.actual_gas_cost + left, "v{version}");
    }
}

#[tokio::test]
async fn deploying_a_version_twice_gives_the_same_contracts() {
    for version in EntryPointVersion::ALL {
        let (anvil, first) = chain(version).await;
        let again = deploy(&anvil, &tools(), version).await.unwrap();

        assert_eq!(again.entry_point.address(), first.entry_point.address());
        assert_eq!(again.account_factory.address(), first.account_factory.address());
        assert_eq!(again.delegate, first.delegate);
        assert_eq!(first.entry_point.address(), version.canonical_address());
    }
}

#[tokio::test]
async fn a_flipped_bit_in_the_signature_is_refused_as_aa24() {
    for version in EntryPointVersion::ALL {
        let (anvil, deployment) = chain(version).await;
        let owner = Owner::new(2);
        let draft = first_operation(&deployment, &owner, 5).await;
        fund(&anvil, draft.sender, ETHER).await;
        let mut operation = signed(&deployment, &owner, draft.to_json(version)).await;
        flip_last_bit_of_s(&mut operation);

        let error = deployment.entry_point.handle_ops(&operation).await.unwrap_err();

        let HandleOpsError::FailedOp { op_index, reason } = &error else { panic!("v{version}: {error}") };
        assert_eq!(*op_index, U256::ZERO, "v{version}");
        assert_eq!(reason, "AA24 signature error", "v{version}");
        assert_eq!(balance(&anvil, PAYEE).await, U256::ZERO, "v{version}");
    }
}

#[tokio::test]
async fn validation_code_that_reverts_shows_its_inner_reason() {
    let (anvil, deployment) = chain(EntryPointVersion::V07).await;
    let owner = Owner::new(2);
    let draft = first_operation(&deployment, &owner, 5).await;
    fund(&anvil, draft.sender, ETHER).await;
    let mut operation = draft.to_json(EntryPointVersion::V07);
    operation["signature"] = json!("0x1234");

    let error = deployment.entry_point.handle_ops(&operation).await.unwrap_err();

    assert_eq!(error.reason(), Some("AA23 reverted"));
    let HandleOpsError::FailedOpWithRevert { inner, .. } = &error else { panic!("{error}") };
    let invalid_signature_length = hex!("fce698f7");
    assert_eq!(inner[..4], invalid_signature_length);
}

#[tokio::test]
async fn a_call_that_fails_is_mined_and_says_so() {
    for version in EntryPointVersion::ALL {
        let (anvil, deployment) = chain(version).await;
        let owner = Owner::new(3);
        let draft = first_operation(&deployment, &owner, 2 * ETHER).await;
        fund(&anvil, draft.sender, ETHER).await;
        let operation = signed(&deployment, &owner, draft.to_json(version)).await;

        let handled = deployment.entry_point.handle_ops(&operation).await.unwrap();

        assert!(!handled.success, "v{version}");
        assert_eq!(balance(&anvil, PAYEE).await, U256::ZERO, "v{version}");
    }
}

#[tokio::test]
async fn a_batch_makes_every_call() {
    for version in EntryPointVersion::ALL {
        let wei = if version == EntryPointVersion::V06 { 0 } else { 3 };
        let (anvil, deployment) = chain(version).await;
        let owner = Owner::new(4);
        let mut draft = first_operation(&deployment, &owner, 0).await;
        fund(&anvil, draft.sender, ETHER).await;
        let deposit = Call {
            target: deployment.entry_point.address(),
            value: U256::from(wei),
            // depositTo(PAYEE)
            data: [hex!("b760faf9").as_slice(), &[0; 12], PAYEE.as_slice()].concat().into(),
        };
        draft.call_data = execute_batch(version, &[deposit.clone(), deposit]).unwrap();
        let operation = signed(&deployment, &owner, draft.to_json(version)).await;

        let handled = deployment.entry_point.handle_ops(&operation).await.unwrap();

        assert!(handled.success, "v{version}");
        let deposited = deployment.entry_point.balance_of(PAYEE).await.unwrap();
        assert_eq!(deposited, U256::from(2 * wei), "v{version}");
    }
}

#[test]
fn a_v06_batch_with_value_is_refused() {
    let call = Call { target: PAYEE, value: U256::ONE, data: Bytes::new() };

    let error = execute_batch(EntryPointVersion::V06, &[call]).unwrap_err();

    assert!(matches!(error, DevkitError::NotInThisVersion { .. }), "{error}");
}

#[tokio::test]
async fn an_eip7702_account_delegates_and_acts_in_one_bundle() {
    for version in [EntryPointVersion::V08, EntryPointVersion::V09] {
        let (anvil, deployment) = chain(version).await;
        let owner = Owner::new(5);
        fund(&anvil, owner.address(), ETHER).await;
        let call = Call { target: PAYEE, value: U256::from(7), data: Bytes::new() };
        let mut operation = Draft::new(owner.address(), U256::ZERO, devkit::execute(&call)).to_json(version);
        operation["factory"] = json!("0x7702");
        operation["eip7702Auth"] = json!(owner.delegate_to(deployment.delegate.unwrap(), 0));
        let operation = signed(&deployment, &owner, operation).await;

        let handled = deployment.entry_point.handle_ops(&operation).await.unwrap();

        assert!(handled.success, "v{version}");
        assert_eq!(handled.sender, owner.address(), "v{version}");
        assert_eq!(balance(&anvil, PAYEE).await, U256::from(7), "v{version}");
    }
}

#[tokio::test]
async fn an_operation_of_another_shape_never_reaches_the_chain() {
    let (_anvil, deployment) = chain(EntryPointVersion::V07).await;
    let draft = first_operation(&deployment, &Owner::new(6), 0).await;
    let good = draft.to_json(EntryPointVersion::V07);
    let mutations: [(&str, Value); 6] = [
        ("initCode", json!("0x")),
        ("eip7702Auth", json!(Owner::new(6).delegate_to(PAYEE, 0))),
        ("paymasterSignature", json!("0x")),
        ("paymasterData", json!("0x00")),
        ("callGasLimit", json!("0x100000000000000000000000000000000")),
        ("factory", json!("0x7703")),
    ];
    for (field, value) in mutations {
        let mut operation = good.clone();
        operation[field] = value;

        let error = deployment.entry_point.handle_ops(&operation).await.unwrap_err();

        assert!(matches!(error, HandleOpsError::Devkit(DevkitError::Wire(_))), "{field}: {error}");
    }
}

/// The signature stays well-formed: another signer is recovered.
fn flip_last_bit_of_s(operation: &mut Value) {
    let mut signature: Vec<u8> = hex::decode(operation["signature"].as_str().unwrap()).unwrap();
    signature[63] ^= 1;
    operation["signature"] = json!(Bytes::from(signature));
}
