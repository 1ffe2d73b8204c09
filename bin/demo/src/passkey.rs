//! The demo with an account whose key is in the TEE, and the passkey that controls it.

use std::time::Instant;

use devkit::user_operation::Draft;
use devkit::{Address, Call, SimpleAccountFactory, SoftPasskey, U256, execute};
use kms_api::accounts::CreateAccount;
use kms_api::webauthn::{BeginRegistration, FinishRegistration};
use relay_api::{Intent, SponsoredOperation};
use serde_json::json;

use crate::Outcome;
use crate::client::{Kms, Relay, text};
use crate::configuration::RP_ID;
use crate::settlement::Sponsored;
use crate::story::Story;
use crate::world::World;

struct Account {
    id: String,
    sender: Address,
    owner: Address,
    salt: U256,
    passkey: SoftPasskey,
}

/// Requests sponsorship of the first operation of a new account, with one touch of its passkey.
pub async fn sponsor(world: &World, story: &Story) -> Outcome<Sponsored> {
    let mut account = create_account(world, story).await?;
    let relay = Relay::at(world.rpc_url());
    let nonce = world.entry_point().nonce(account.sender).await?;
    let greeting = Call { target: world.greeted(), value: U256::ZERO, data: vec![0x12, 0x34].into() };
    let mut draft = Draft::new(account.sender, nonce, execute(&greeting));
    draft.deploy = Some((world.factory(), SimpleAccountFactory::factory_data(account.owner, account.salt)));
    let operation = draft.to_json(world.version());

    let intent: Intent = relay.call("pm_getSponsorshipIntent", &json!([operation, account.id])).await?;
    story.say("intent", &format!("operation without paymaster (H0)   {}", intent.user_op_hash));
    story.more(&format!("passkey challenge (H0 and account)  {}", intent.intent_hash));

    let assertion = account.passkey.assert(&json!(intent.webauthn))?;
    story.say("passkey", "one touch: the user approved exactly this operation for exactly this account");

    let asked = Instant::now();
    let params = json!([operation, account.id, assertion]);
    let answer: SponsoredOperation = relay.call("pm_sponsor_with_tee", &params).await?;
    let took = asked.elapsed();
    let sponsored = Sponsored {
        sender: account.sender,
        operation: answer.user_operation.into(),
        user_op_hash: answer.user_op_hash.to_string(),
    };
    story.say("relay", &format!("approved by its key {} (request {})", world.relay_signer(), answer.request_id));
    story.say("TEE", &format!("checked both proofs again and signed with {}", world.paymaster_signer()));
    story.more(&format!("pm_sponsor_with_tee took {:.1} ms, all of it", took.as_secs_f64() * 1e3));
    story.more(&format!("paymasterAndData                    {}", answer.paymaster_and_data));
    story.more(&format!("account signature (by the owner)    {}", answer.signature.ok_or("the account did not sign")?));
    story.more(&format!("final userOpHash                    {}", sponsored.user_op_hash));
    Ok(sponsored)
}

async fn create_account(world: &World, story: &Story) -> Outcome<Account> {
    let kms = Kms::at(world.kms_url());
    let mut passkey = SoftPasskey::create(RP_ID, world.origin())?;

    let begin = BeginRegistration { user_name: Some("demo".to_owned()), ..BeginRegistration::default() };
    let begun = kms.post(&begin).await?;
    let credential = passkey.register(&begun.public_key)?;
    let id = text(&credential, "id")?.to_owned();
    let finished = kms.post(&FinishRegistration { registration_id: begun.registration_id, credential }).await?;
    story.say("passkey", &format!("P-256 credential {id} registered for {RP_ID}"));

    let request = CreateAccount {
        registration_id: finished.registration_id,
        signature_scheme: Some(world.signature_scheme()),
        ..CreateAccount::default()
    };
    let made = kms.post(&request).await?;
    let (owner, salt) = (made.owner_address.into(), U256::from_be_bytes(made.salt.0));
    let sender = world.account_address(owner, salt).await?;
    let account = Account { id: made.account_id.to_string(), sender, owner, salt, passkey };
    story.say("account", &format!("{} is owned by {}, a key that never leaves the TEE", account.id, account.owner));
    let balance = world.balance(account.sender).await?;
    story.more(&format!("its contract will be {} (not deployed yet, balance {balance})", account.sender));
    Ok(account)
}
