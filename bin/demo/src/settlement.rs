//! Sends the sponsored operation to the chain; the paymaster pays for it.

use devkit::Address;
use serde_json::Value;

use crate::Outcome;
use crate::story::Story;
use crate::world::World;

/// A sponsored operation, ready to send.
pub struct Sponsored {
    pub sender: Address,
    pub operation: Value,
    pub user_op_hash: String,
}

/// Sends the operation with handleOps; fails unless it succeeded and the paymaster paid.
pub async fn settle(world: &World, sponsored: &Sponsored, story: &Story) -> Outcome<()> {
    let chain_hash = world.entry_point().user_op_hash(&sponsored.operation).await?.to_string();
    if chain_hash != sponsored.user_op_hash {
        return Err(format!("the chain says the hash is {chain_hash}, not {}", sponsored.user_op_hash).into());
    }
    let before = world.deposit().await?;
    let handled = world.entry_point().handle_ops(&sponsored.operation).await?;
    let after = world.deposit().await?;
    let balance = world.balance(sponsored.sender).await?;

    story.say("chain", &format!("handleOps in transaction {}", handled.transaction));
    story.more(&format!("paid by the paymaster: {} wei for {} gas", handled.actual_gas_cost, handled.actual_gas_used));
    story.say("deposit", &format!("{before} wei before"));
    story.more(&format!("{after} wei after"));
    story.say("account", &format!("balance {balance} wei, never touched"));
    if !handled.success {
        return Err("the operation was mined, but its call failed".into());
    }
    if after >= before || !balance.is_zero() {
        return Err("the paymaster did not pay, or the account did".into());
    }
    story.say("done", "the operation succeeded on chain");
    Ok(())
}
