//! The complete flow: a passkey approves, the relay approves, the TEE signs, the chain accepts it.

use devkit::{Address, EntryPointVersion, U256};
use serde_json::json;

use crate::support::{TeeAccount, World, bytes};

on_every_version! {
    the_first_operation_deploys_the_account_and_a_second_follows_at_the_paymasters_cost,
    the_answer_names_the_window_the_tee_and_both_proofs,
}

async fn the_first_operation_deploys_the_account_and_a_second_follows_at_the_paymasters_cost(
    version: EntryPointVersion,
) {
    let world = World::start(version).await;
    assert_eq!(world.entry_point().address(), version.canonical_address());
    let mut account = TeeAccount::create(&world).await;

    for count in 0..2 {
        let operation = account.operation(&world).await;
        let before = world.paymaster.deposited().await.unwrap();

        let answer = account.sponsored(&world, &operation).await.unwrap();

        let ready = &answer["userOperation"];
        let chain_hash = world.entry_point().user_op_hash(ready).await.unwrap();
        assert_eq!(answer["userOpHash"], json!(chain_hash));
        let handled = world.entry_point().handle_ops(ready).await.unwrap();
        assert!(handled.success);
        assert_eq!((handled.sender, handled.paymaster), (account.sender, world.paymaster.address()));
        assert_eq!((handled.user_op_hash, handled.nonce), (chain_hash, U256::from(count)));
        let after = world.paymaster.deposited().await.unwrap();
        assert_eq!(before - after, handled.actual_gas_cost);
        assert_eq!(world.balance(account.sender).await, U256::ZERO);
        assert_eq!(world.entry_point().balance_of(account.sender).await.unwrap(), U256::ZERO);
    }
}

async fn the_answer_names_the_window_the_tee_and_both_proofs(version: EntryPointVersion) {
    let world = World::start(version).await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;

    let answer = account.sponsored(&world, &operation).await.unwrap();

    let (after, until) = (answer["validAfter"].as_u64().unwrap(), answer["validUntil"].as_u64().unwrap());
    let signed_at = answer["verificationProof"]["timestamp"].as_u64().unwrap();
    assert!(after < signed_at && signed_at + 600 >= until && until > signed_at, "{answer}");
    let paymaster = match version {
        EntryPointVersion::V06 => {
            assert_eq!(answer.get("paymaster"), None, "v0.6 has no such field");
            Address::from_slice(&bytes(&answer["paymasterAndData"])[..20])
        }
        _ => answer["paymaster"].as_str().unwrap().parse().unwrap(),
    };
    assert_eq!(paymaster, world.paymaster.address());
    let signers = world.kms().get("/admin/signers").await.unwrap();
    assert_eq!(answer["teeDeviceId"], signers["paymasterSigner"]);
    assert_eq!(answer["success"], true);
    assert_eq!(answer["signature"], answer["userOperation"]["signature"]);
    for proof in ["dualSignatureMode", "paymasterVerified", "userPasskeyVerified"] {
        assert_eq!(answer["verificationProof"][proof], true, "{proof}");
    }
    for (field, value) in operation.as_object().unwrap() {
        let is_filled_in = field == "signature" || field == "paymasterAndData";
        assert!(is_filled_in || answer["userOperation"][field] == *value, "{field} was edited");
    }
}
