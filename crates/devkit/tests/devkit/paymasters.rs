//! Our paymaster through the real EntryPoints, with signatures of a key it admitted.

use alloy_eips::BlockId;
use alloy_primitives::aliases::U48;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_provider::Provider;
use devkit::{Anvil, Deployment, EntryPointVersion, Paymaster, PaymasterOptions, SignerRecord, TeeSigner};
use serde_json::{Value, json};

use crate::support::{ETHER, Owner, balance, chain, first_operation, signed, tools};

const MEASUREMENT: B256 = B256::repeat_byte(0x3e);
const TEE_ID: B256 = B256::repeat_byte(0x7e);
/// Half an hour from the chain's current time.
const WINDOW_SECONDS: u64 = 1800;

/// The window in the contract's form: both ends in Unix seconds.
struct Window {
    until: U48,
    after: U48,
}

impl Window {
    async fn of(anvil: &Anvil) -> Self {
        let now = now(anvil).await;
        Self { until: U48::from(now + WINDOW_SECONDS), after: U48::from(now - 60) }
    }

    fn data(&self) -> Vec<u8> {
        [self.until.to_be_bytes::<6>(), self.after.to_be_bytes::<6>()].concat()
    }
}

/// Unix seconds of the latest block.
async fn now(anvil: &Anvil) -> u64 {
    anvil.provider().get_block(BlockId::latest()).await.unwrap().unwrap().header.timestamp
}

fn tee_signer(address: Address) -> TeeSigner {
    TeeSigner { address, measurement: MEASUREMENT, tee_id: TEE_ID }
}

async fn paymaster_of(anvil: &Anvil, deployment: &Deployment, signer: Address) -> Paymaster {
    let paymaster = Paymaster::deploy(anvil, &tools(), &deployment.entry_point).await.unwrap();
    paymaster.admit_signer(&tee_signer(signer)).await.unwrap();
    paymaster.deposit(U256::from(ETHER)).await.unwrap();
    paymaster.stake(U256::from(ETHER), 86_400).await.unwrap();
    paymaster
}

/// Adds the sponsorship to the operation: for v0.6 in one field, later in several.
async fn sponsored(
    anvil: &Anvil,
    paymaster: &Paymaster,
    version: EntryPointVersion,
    signer: &Owner,
    mut op: Value,
) -> Value {
    let window = Window::of(anvil).await;
    if version == EntryPointVersion::V06 {
        // The v0.6 contract ignores the field when it hashes.
        let digest = paymaster.sponsorship_digest(&op, window.until, window.after).await.unwrap();
        let signature = signer.sign(digest);
        let data = [paymaster.address().as_slice(), &window.data(), &signature].concat();
        op["paymasterAndData"] = json!(Bytes::from(data));
        return op;
    }
    op["paymaster"] = json!(paymaster.address());
    op["paymasterVerificationGasLimit"] = json!("0x186a0");
    op["paymasterPostOpGasLimit"] = json!("0x0");
    op["paymasterData"] = json!(Bytes::from(window.data()));
    let digest = paymaster.sponsorship_digest(&op, window.until, window.after).await.unwrap();
    op["paymasterData"] = json!(Bytes::from([window.data().as_slice(), &signer.sign(digest)].concat()));
    op
}

#[tokio::test]
async fn an_operation_signed_for_by_an_admitted_key_costs_the_paymaster_and_not_the_account() {
    for version in EntryPointVersion::ALL {
        let (anvil, deployment) = chain(version).await;
        let (owner, signer) = (Owner::new(1), Owner::new(7));
        let paymaster = paymaster_of(&anvil, &deployment, signer.address()).await;
        let draft = first_operation(&deployment, &owner, 0).await;
        let operation = sponsored(&anvil, &paymaster, version, &signer, draft.to_json(version)).await;
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
    let window = Window::of(&anvil).await;
    let mut operation = first_operation(&deployment, &owner, 0).await.to_json(version);
    operation["paymaster"] = json!(paymaster.address());
    operation["paymasterVerificationGasLimit"] = json!("0x186a0");
    operation["paymasterPostOpGasLimit"] = json!("0x0");
    operation["paymasterData"] = json!(Bytes::from(window.data()));
    operation["paymasterSignature"] = json!(Bytes::from([0u8; 65]));
    let mut operation = signed(&deployment, &owner, operation).await;
    let digest = paymaster.sponsorship_digest(&operation, window.until, window.after).await.unwrap();
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
        assert!(paymaster.is_active_signer(admitted.address()).await.unwrap());
        assert!(!paymaster.is_active_signer(stranger.address()).await.unwrap());
        paymaster.remove_signer(admitted.address()).await.unwrap();
        assert!(!paymaster.is_active_signer(admitted.address()).await.unwrap());
        assert_eq!(paymaster.signer(admitted.address()).await.unwrap(), None);
        let draft = first_operation(&deployment, &owner, 0).await;
        for signer in [&admitted, &stranger] {
            let operation = sponsored(&anvil, &paymaster, version, signer, draft.to_json(version)).await;
            let operation = signed(&deployment, &owner, operation).await;

            let error = deployment.entry_point.handle_ops(&operation).await.unwrap_err();

            assert_eq!(error.reason(), Some("AA34 signature error"), "v{version}: {error}");
        }
    }
}

#[tokio::test]
async fn a_paused_paymaster_sponsors_nothing_until_it_is_unpaused() {
    for version in EntryPointVersion::ALL {
        let (anvil, deployment) = chain(version).await;
        let (owner, signer) = (Owner::new(1), Owner::new(7));
        let paymaster = paymaster_of(&anvil, &deployment, signer.address()).await;
        let draft = first_operation(&deployment, &owner, 0).await;
        let operation = sponsored(&anvil, &paymaster, version, &signer, draft.to_json(version)).await;
        let operation = signed(&deployment, &owner, operation).await;
        paymaster.pause().await.unwrap();

        let error = deployment.entry_point.handle_ops(&operation).await.unwrap_err();

        let reason = error.reason().unwrap();
        assert!(reason.starts_with("AA33 reverted"), "v{version}: {reason}");
        paymaster.unpause().await.unwrap();
        assert!(deployment.entry_point.handle_ops(&operation).await.unwrap().success, "v{version}");
    }
}

#[tokio::test]
async fn a_proposed_signer_is_active_only_after_the_delay_and_those_of_the_constructor_at_once() {
    let version = EntryPointVersion::V07;
    let (anvil, deployment) = chain(version).await;
    let (first, second) = (tee_signer(Address::repeat_byte(1)), tee_signer(Address::repeat_byte(2)));
    let options =
        PaymasterOptions { activation_delay_seconds: 86_400, signers: vec![first], ..PaymasterOptions::default() };
    let paymaster = Paymaster::deploy_with(&anvil, &tools(), &deployment.entry_point, &options).await.unwrap();
    let deployed_at = now(&anvil).await;

    assert_eq!(paymaster.activation_delay().await.unwrap(), 86_400);
    assert!(paymaster.is_active_signer(first.address).await.unwrap());
    let record = SignerRecord {
        proposed_at: deployed_at,
        activated_at: Some(deployed_at),
        measurement: MEASUREMENT,
        tee_id: TEE_ID,
    };
    assert_eq!(paymaster.signer(first.address).await.unwrap(), Some(record));

    paymaster.propose_signer(&second).await.unwrap();
    let proposed_at = now(&anvil).await;
    assert!(paymaster.activate_signer(second.address).await.is_err(), "before the delay");
    let record = SignerRecord { proposed_at, activated_at: None, ..record };
    assert_eq!(paymaster.signer(second.address).await.unwrap(), Some(record));
    assert!(!paymaster.is_active_signer(second.address).await.unwrap());

    let _: Value = anvil.provider().raw_request("evm_increaseTime".into(), [86_400]).await.unwrap();
    paymaster.activate_signer(second.address).await.unwrap();
    assert!(paymaster.is_active_signer(second.address).await.unwrap());
}
