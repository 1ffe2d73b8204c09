//! Our paymaster through the real EntryPoints, signed for by a key it admitted.

use alloy_primitives::aliases::U48;
use alloy_primitives::{Address, B256, Bytes, U256};
use devkit::{Anvil, Deployment, EntryPointVersion, Paymaster};
use serde_json::{Value, json};

use crate::support::{ETHER, Owner, balance, chain, first_operation, signed, tools};

const MEASUREMENT: B256 = B256::repeat_byte(0x3e);
const FOR_EVER: U48 = U48::ZERO;

async fn paymaster_of(anvil: &Anvil, deployment: &Deployment, signer: Address) -> Paymaster {
    let paymaster = Paymaster::deploy(anvil, &tools(), &deployment.entry_point).await.unwrap();
    paymaster.admit_signer(signer, MEASUREMENT).await.unwrap();
    paymaster.deposit(U256::from(ETHER)).await.unwrap();
    paymaster.stake(U256::from(ETHER), 86_400).await.unwrap();
    paymaster
}

/// Puts the sponsorship into the operation: for v0.6 in one field, later in several.
async fn sponsored(paymaster: &Paymaster, version: EntryPointVersion, signer: &Owner, mut op: Value) -> Value {
    let window = [0u8; 12];
    if version == EntryPointVersion::V06 {
        // The v0.6 contract reads nothing of the field when it hashes.
        let digest = paymaster.sponsorship_digest(&op, FOR_EVER, FOR_EVER).await.unwrap();
        let signature = signer.sign(digest);
        let data = [paymaster.address().as_slice(), &window, &signature].concat();
        op["paymasterAndData"] = json!(Bytes::from(data));
        return op;
    }
    op["paymaster"] = json!(paymaster.address());
    op["paymasterVerificationGasLimit"] = json!("0x186a0");
    op["paymasterPostOpGasLimit"] = json!("0x0");
    op["paymasterData"] = json!(Bytes::from(window));
    let digest = paymaster.sponsorship_digest(&op, FOR_EVER, FOR_EVER).await.unwrap();
    op["paymasterData"] = json!(Bytes::from([window.as_slice(), &signer.sign(digest)].concat()));
    op
}

#[tokio::test]
async fn an_operation_signed_for_by_an_admitted_key_costs_the_paymaster_and_not_the_account() {
    for version in EntryPointVersion::ALL {
        let (anvil, deployment) = chain(version).await;
        let (owner, signer) = (Owner::new(1), Owner::new(7));
        let paymaster = paymaster_of(&anvil, &deployment, signer.address()).await;
        let draft = first_operation(&deployment, &owner, 0).await;
        let operation = sponsored(&paymaster, version, &signer, draft.to_json(version)).await;
        let operation = signed(&deployment, &owner, operation).await;

        let handled = deployment.entry_point.handle_ops(&operation).await.unwrap();

        assert!(handled.success, "v{version}");
        assert_eq!(handled.paymaster, paymaster.address(), "v{version}");
        let left = paymaster.deposited().await.unwrap();
        assert_eq!(left, U256::from(ETHER) - handled.actual_gas_cost, "v{version}");
        assert_eq!(balance(&anvil, draft.sender).await, U256::ZERO, "v{version}");
    }
}

#[tokio::test]
async fn on_v09_the_user_may_sign_before_the_paymaster() {
    let version = EntryPointVersion::V09;
    let (anvil, deployment) = chain(version).await;
    let (owner, signer) = (Owner::new(1), Owner::new(7));
    let paymaster = paymaster_of(&anvil, &deployment, signer.address()).await;
    let mut operation = first_operation(&deployment, &owner, 0).await.to_json(version);
    operation["paymaster"] = json!(paymaster.address());
    operation["paymasterVerificationGasLimit"] = json!("0x186a0");
    operation["paymasterPostOpGasLimit"] = json!("0x0");
    operation["paymasterData"] = json!(Bytes::from([0u8; 12]));
    operation["paymasterSignature"] = json!(Bytes::from([0u8; 65]));
    let mut operation = signed(&deployment, &owner, operation).await;
    let digest = paymaster.sponsorship_digest(&operation, FOR_EVER, FOR_EVER).await.unwrap();
    operation["paymasterSignature"] = json!(signer.sign(digest));

    let handled = deployment.entry_point.handle_ops(&operation).await.unwrap();

    assert!(handled.success);
    assert_eq!(handled.paymaster, paymaster.address());
}

#[tokio::test]
async fn a_key_that_was_removed_or_never_admitted_is_refused_as_aa34() {
    for version in EntryPointVersion::ALL {
        let (anvil, deployment) = chain(version).await;
        let (owner, admitted, stranger) = (Owner::new(1), Owner::new(7), Owner::new(8));
        let paymaster = paymaster_of(&anvil, &deployment, admitted.address()).await;
        assert_eq!(paymaster.measurement_of(admitted.address()).await.unwrap(), MEASUREMENT);
        assert_eq!(paymaster.measurement_of(stranger.address()).await.unwrap(), B256::ZERO);
        paymaster.remove_signer(admitted.address()).await.unwrap();
        let draft = first_operation(&deployment, &owner, 0).await;
        for signer in [&admitted, &stranger] {
            let operation = sponsored(&paymaster, version, signer, draft.to_json(version)).await;
            let operation = signed(&deployment, &owner, operation).await;

            let error = deployment.entry_point.handle_ops(&operation).await.unwrap_err();

            assert_eq!(error.reason(), Some("AA34 signature error"), "v{version}: {error}");
        }
    }
}

#[tokio::test]
async fn a_paused_paymaster_sponsors_nothing_until_it_goes_on() {
    for version in EntryPointVersion::ALL {
        let (anvil, deployment) = chain(version).await;
        let (owner, signer) = (Owner::new(1), Owner::new(7));
        let paymaster = paymaster_of(&anvil, &deployment, signer.address()).await;
        let draft = first_operation(&deployment, &owner, 0).await;
        let operation = sponsored(&paymaster, version, &signer, draft.to_json(version)).await;
        let operation = signed(&deployment, &owner, operation).await;
        paymaster.pause().await.unwrap();

        let error = deployment.entry_point.handle_ops(&operation).await.unwrap_err();

        let reason = error.reason().unwrap();
        assert!(reason.starts_with("AA33 reverted"), "v{version}: {reason}");
        paymaster.unpause().await.unwrap();
        assert!(deployment.entry_point.handle_ops(&operation).await.unwrap().success, "v{version}");
    }
}
