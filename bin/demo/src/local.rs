//! The demo with an account whose owner keeps the key: no passkey, no key in the TEE, ERC-7677
//! only.

use devkit::user_operation::Draft;
use devkit::{Call, LocalOwner, SimpleAccountFactory, U256, execute};
use serde_json::{Value, json};

use crate::Outcome;
use crate::client::Relay;
use crate::configuration::CHAIN_ID;
use crate::settlement::Sponsored;
use crate::story::Story;
use crate::world::World;

/// Requests sponsorship of the first operation of a new account, like viem's paymaster client.
pub async fn sponsor(world: &World, story: &Story) -> Outcome<Sponsored> {
    let owner = LocalOwner::create()?;
    let sender = world.account_address(owner.address(), U256::ZERO).await?;
    story.say("account", &format!("{sender} is owned by {}, a key of the client's own", owner.address()));

    let relay = Relay::at(world.rpc_url());
    let nonce = world.entry_point().nonce(sender).await?;
    let greeting = Call { target: world.greeted(), value: U256::ZERO, data: vec![0x12, 0x34].into() };
    let mut draft = Draft::new(sender, nonce, execute(&greeting));
    draft.deploy = Some((world.factory(), SimpleAccountFactory::factory_data(owner.address(), U256::ZERO)));
    let mut operation = draft.to_json(world.version());

    for method in ["pm_getPaymasterStubData", "pm_getPaymasterData"] {
        let params = json!([operation, world.entry_point().address(), CHAIN_ID, null]);
        spread(&mut operation, &relay.call(method, &params).await?);
        story.say("relay", &format!("answered {method}"));
    }
    story.more("without a passkey: charged to no account, within the share for all such requests");

    let hash = world.entry_point().user_op_hash(&operation).await?;
    operation["signature"] = json!(owner.sign_operation(world.version(), hash));
    story.say("account", &format!("signed userOpHash {hash} itself"));
    Ok(Sponsored { sender, operation, user_op_hash: hash.to_string() })
}

/// Copies only the paymaster fields of an answer into the operation.
fn spread(operation: &mut Value, answer: &Value) {
    for (name, value) in answer.as_object().into_iter().flatten().filter(|(name, _)| name.starts_with("paymaster")) {
        operation[name] = value.clone();
    }
}
