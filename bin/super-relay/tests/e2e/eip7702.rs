//! EIP-7702: an account without a contract of its own delegates to one in the operation that is
//! sponsored.

use devkit::EntryPointVersion::{self, V08};
use devkit::user_operation::Draft;
use devkit::{Address, B256, Call, Tools, U256, execute};
use serde_json::{Value, json};

use crate::support::{Key, Rpc, Setup, World, project, refused_on_chain};

on_versions! { an_account_delegates_and_acts_in_one_sponsored_operation: v08 V08, v09 V09 }

async fn an_account_delegates_and_acts_in_one_sponsored_operation(version: EntryPointVersion) {
    let world = Setup::of(version).without_passkey().start().await;
    let owner = Key::new(5);
    let operation = sponsored(&world, delegating(&world, &owner, world.deployment.delegate.unwrap())).await;

    let handled = world.entry_point().handle_ops(&signed(&world, &owner, operation).await).await.unwrap();

    assert!(handled.success);
    assert_eq!((handled.sender, handled.paymaster), (owner.address(), world.paymaster.address()));
    assert_eq!(world.balance(owner.address()).await, U256::ZERO);
}

on_versions! { the_authorisation_may_come_without_the_factory: v07 V07, v08 V08, v09 V09 }

/// As permissionless's `to7702SimpleSmartAccount` sends it. The second operation needs no
/// authorisation any more.
async fn the_authorisation_may_come_without_the_factory(version: EntryPointVersion) {
    let world = Setup::of(version).without_passkey().start().await;
    let owner = Key::new(5);
    let mut first = delegating(&world, &owner, delegate_of(&world).await);
    first.as_object_mut().unwrap().remove("factory");
    let mut second = first.clone();
    second.as_object_mut().unwrap().remove("eip7702Auth");
    second["nonce"] = json!("0x1");

    for operation in [first, second] {
        let operation = sponsored(&world, operation).await;
        let handled = world.entry_point().handle_ops(&signed(&world, &owner, operation).await).await.unwrap();

        assert!(handled.success);
        assert_eq!((handled.sender, handled.paymaster), (owner.address(), world.paymaster.address()));
    }
}

/// Simple7702Account. v0.7 has none: then that of v0.8, with v0.7's EntryPoint in its code.
async fn delegate_of(world: &World) -> Address {
    let version = world.version();
    if let Some(delegate) = world.deployment.delegate {
        return delegate;
    }
    let tools = Tools::locate(&project()).unwrap();
    let of_v08 = devkit::deploy(&world.anvil, &tools, V08).await.unwrap().delegate.unwrap();
    let chain = Rpc::at(world.anvil.url().to_string());
    let code = chain.call("eth_getCode", json!([of_v08, "latest"])).await.unwrap();
    let [ours, of_v08] = [version, V08].map(|version| hex::encode(version.canonical_address()));
    let code = code.as_str().unwrap();
    assert!(code.contains(&of_v08));
    let delegate = Address::repeat_byte(0x77);
    chain.call("anvil_setCode", json!([delegate, code.replace(&of_v08, &ours)])).await.unwrap();
    delegate
}

/// Both delegates have the same code, and the owner agrees to the change: only the paymaster did
/// not approve it.
#[tokio::test]
async fn the_delegate_cannot_be_swapped_after_the_tee_has_signed() {
    let world = Setup::of(V08).without_passkey().start().await;
    let (owner, delegate, twin) = (Key::new(5), world.deployment.delegate.unwrap(), Address::repeat_byte(0x77));
    let chain = Rpc::at(world.anvil.url().to_string());
    let code = chain.call("eth_getCode", json!([delegate, "latest"])).await.unwrap();
    chain.call("anvil_setCode", json!([twin, code])).await.unwrap();
    let operation = sponsored(&world, delegating(&world, &owner, delegate)).await;

    let mut swapped = operation.clone();
    swapped["eip7702Auth"] = delegating(&world, &owner, twin)["eip7702Auth"].clone();
    let swapped = signed(&world, &owner, swapped).await;

    assert_eq!(refused_on_chain(world.entry_point().handle_ops(&swapped).await), "AA34");
    let ready = signed(&world, &owner, operation).await;
    assert!(world.entry_point().handle_ops(&ready).await.unwrap().success);
}

fn delegating(world: &World, owner: &Key, delegate: Address) -> Value {
    let call = Call { target: Address::repeat_byte(0x5a), value: U256::ZERO, data: vec![0x12, 0x34].into() };
    let mut operation = Draft::new(owner.address(), U256::ZERO, execute(&call)).to_json(world.version());
    operation["factory"] = json!("0x7702");
    operation["eip7702Auth"] = json!(owner.delegate_to(delegate));
    operation
}

async fn sponsored(world: &World, mut operation: Value) -> Value {
    let params = json!([operation, world.entry_point().address(), "0x7a69", null]);
    let fields = world.rpc().call("pm_getPaymasterData", params).await.unwrap();
    operation.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    operation
}

async fn signed(world: &World, owner: &Key, mut operation: Value) -> Value {
    let hash: B256 = world.entry_point().user_op_hash(&operation).await.unwrap();
    operation["signature"] = json!(owner.sign(&hash.0));
    operation
}
