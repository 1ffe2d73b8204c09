//! `super-relay demo`: one sponsored operation from nothing to the chain, every step shown.

mod local;
mod story;
mod world;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use devkit::user_operation::Draft;
use devkit::{Call, EntryPointVersion, SimpleAccountFactory, SoftPasskey, execute};
use serde_json::{Value, json};
use url::Url;

use crate::client::{Json as _, Kms, Relay};
use crate::error::Error;
use story::Story;
use world::World;

const RP_ID: &str = "localhost";

/// What the demo shows.
#[derive(Args)]
pub struct DemoArgs {
    /// The EntryPoint version: 0.6, 0.7, 0.8 or 0.9.
    #[arg(long, value_name = "VERSION", default_value = "0.7", value_parser = version)]
    entrypoint: EntryPointVersion,
    /// The checkout with contracts/node_modules and contracts/out; scripts/node-tools makes both.
    #[arg(long, value_name = "DIR", default_value = ".")]
    project: PathBuf,
    /// Use the KMS gateway at that URL instead of one in the same process. Its TEE must be new: the demo becomes its admin.
    #[arg(long, value_name = "URL")]
    kms: Option<Url>,
    /// Sponsor an account that is owned by a local key, without a passkey. Sets what that takes: the policy's
    /// allow_without_passkey, the TEE's permission, and half of the deposit for such requests.
    #[arg(long)]
    local_key: bool,
    /// Where pages use passkeys: an origin on localhost.
    #[arg(long, value_name = "ORIGIN", default_value = "http://localhost:5173")]
    origin: Url,
    /// Keep chain and node running afterwards, until interrupted.
    #[arg(long)]
    keep: bool,
}

fn version(text: &str) -> Result<EntryPointVersion, String> {
    text.parse().map_err(|problem: devkit::DevkitError| problem.to_string())
}

/// Runs the demo; an error unless the operation succeeded on chain.
pub async fn run(args: DemoArgs) -> Result<(), Error> {
    let story = Story::begin(args.entrypoint);
    let world = World::start(&args, &story).await?;
    let sponsored = if args.local_key {
        local::sponsor(&world, &story).await?
    } else {
        let account = create_account(&world, &story).await?;
        sponsor(&world, account, &story).await?
    };
    settle(&world, &sponsored, &story).await?;
    if args.keep {
        story.say("running", &format!("JSON-RPC at {}, KMS at {}", base(world.rpc_url()), base(world.kms_url())));
        story.more(&format!("status and metrics at {}, chain at {}", world.ops_url(), world.chain_url()));
        if args.entrypoint == EntryPointVersion::V07 {
            story.more(&format!(
                "page at {}, once started: (cd examples/viem-page && {})",
                world.origin(),
                start_page(&world)
            ));
        }
        story.more(&format!("configuration {}; Ctrl-C stops and removes it", world.file().display()));
        return world.run_until_stopped().await;
    }
    world.stop().await
}

/// An account whose key lives in the TEE, and the passkey that commands it.
struct Account {
    id: String,
    sender: devkit::Address,
    owner: devkit::Address,
    salt: devkit::U256,
    passkey: SoftPasskey,
}

async fn create_account(world: &World, story: &Story) -> Result<Account, Error> {
    let kms = Kms::at(world.kms_url().clone());
    let mut passkey = SoftPasskey::create(RP_ID, world.origin()).map_err(failed)?;

    let begun = kms.post("/webauthn/register/begin", &json!({ "userName": "demo" })).await?;
    let credential = passkey.register(begun.object("publicKey")?).map_err(failed)?;
    let registration = begun.text("registrationId")?;
    kms.post("/webauthn/register/finish", &json!({ "registrationId": registration, "credential": credential })).await?;
    story.say("passkey", &format!("P-256 credential {} registered for {RP_ID}", credential.text("id")?));

    let request = json!({ "registrationId": registration, "signatureScheme": world.signature_scheme() });
    let made = kms.post("/kms/create-deterministic-account", &request).await?;
    let (owner, salt) = (made.parse("ownerAddress")?, made.parse("salt")?);
    let sender = world.account_address(owner, salt).await?;
    let account = Account { id: made.text("accountId")?.into(), sender, owner, salt, passkey };
    story.say("account", &format!("{} is owned by {}, a key that never leaves the TEE", account.id, account.owner));
    story.more(&format!(
        "its contract will be {} (not deployed yet, balance {})",
        account.sender,
        world.balance(account.sender).await?
    ));
    Ok(account)
}

/// A sponsored operation, ready to send.
struct Sponsored {
    sender: devkit::Address,
    operation: Value,
    user_op_hash: String,
}

async fn sponsor(world: &World, mut account: Account, story: &Story) -> Result<Sponsored, Error> {
    let relay = Relay::at(world.rpc_url().clone());
    let nonce = world.entry_point().nonce(account.sender).await.map_err(failed)?;
    let greeting = Call { target: world.greeted(), value: devkit::U256::ZERO, data: vec![0x12, 0x34].into() };
    let mut draft = Draft::new(account.sender, nonce, execute(&greeting));
    draft.deploy = Some((world.factory(), SimpleAccountFactory::factory_data(account.owner, account.salt)));
    let operation = draft.to_json(world.version());

    let intent = relay.call("pm_getSponsorshipIntent", &json!([operation, account.id])).await?;
    story.say("intent", &format!("operation without paymaster (H0)   {}", intent.text("userOpHash")?));
    story.more(&format!("passkey challenge (H0 and account)  {}", intent.text("intentHash")?));

    let assertion = account.passkey.assert(intent.object("webauthn")?).map_err(failed)?;
    story.say("passkey", "one touch: the user approved exactly this operation for exactly this account");

    let asked = Instant::now();
    let answer = relay.call("pm_sponsor_with_tee", &json!([operation, account.id, assertion])).await?;
    let took = asked.elapsed();
    let sponsored = Sponsored {
        sender: account.sender,
        operation: answer.object("userOperation")?.clone(),
        user_op_hash: answer.text("userOpHash")?.into(),
    };
    story
        .say("relay", &format!("approved by its key {} (request {})", world.relay_signer(), answer.text("requestId")?));
    story.say("TEE", &format!("checked both proofs again and signed with {}", world.paymaster_signer()));
    story.more(&format!("pm_sponsor_with_tee took {:.1} ms, all of it", took.as_secs_f64() * 1e3));
    story.more(&format!("paymasterAndData                    {}", answer.text("paymasterAndData")?));
    story.more(&format!("account signature (by the owner)    {}", answer.text("signature")?));
    story.more(&format!("final userOpHash                    {}", sponsored.user_op_hash));
    Ok(sponsored)
}

async fn settle(world: &World, sponsored: &Sponsored, story: &Story) -> Result<(), Error> {
    let chain_hash = world.entry_point().user_op_hash(&sponsored.operation).await.map_err(failed)?.to_string();
    if chain_hash != sponsored.user_op_hash {
        return Err(Error::Demo(format!("the chain says the hash is {chain_hash}, not {}", sponsored.user_op_hash)));
    }
    let before = world.deposit().await?;
    let handled = world.entry_point().handle_ops(&sponsored.operation).await.map_err(failed)?;
    let after = world.deposit().await?;
    let balance = world.balance(sponsored.sender).await?;

    story.say("chain", &format!("handleOps in transaction {}", handled.transaction));
    story.more(&format!("paid by the paymaster: {} wei for {} gas", handled.actual_gas_cost, handled.actual_gas_used));
    story.say("deposit", &format!("{before} wei before"));
    story.more(&format!("{after} wei after"));
    story.say("account", &format!("balance {balance} wei, never touched"));
    if !handled.success {
        return Err(Error::Demo("the operation was mined, but its call failed".into()));
    }
    if after >= before || !balance.is_zero() {
        return Err(Error::Demo("the paymaster did not pay, or the account did".into()));
    }
    story.say("done", "the operation succeeded on chain");
    Ok(())
}

/// Starts the example's page with this demo's URLs in its build. The page's own default names the bundler.
fn start_page(world: &World) -> String {
    let chain = world.chain_url();
    let urls = json!({
        "rpc": base(world.rpc_url()), "kms": base(world.kms_url()), "chain": chain.trim_end_matches('/'),
    });
    format!("npm start -- '--define:URLS={urls}'")
}

/// A server's address as one puts a path behind it.
fn base(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

/// Turns the error of a step into the demo's.
fn failed(problem: impl std::fmt::Display) -> Error {
    Error::Demo(problem.to_string())
}
