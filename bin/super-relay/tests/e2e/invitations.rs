//! A page creates its account with an invitation that a server got from the relay, and with nothing
//! else.

use devkit::EntryPointVersion::V07;
use devkit::SoftPasskey;
use serde_json::{Value, json};

use crate::support::{ORIGIN, Setup, World};

const RP_ID: &str = "localhost";

/// `printf %s a-servers-key | sha256sum`.
const HASH: &str = "8b6c50755245e33f499e80c98478ed2e4971d642fdc896bce208db0cb591395c";

/// The registration of a new passkey, verified.
async fn registered(world: &World, invitation: &Value) -> Value {
    let kms = world.kms();
    let mut passkey = SoftPasskey::create(RP_ID, ORIGIN).unwrap();
    let begun = kms
        .post("/webauthn/register/begin", &json!({ "userName": "invited", "invitation": invitation }))
        .await
        .unwrap();
    let credential = passkey.register(&begun["publicKey"]).unwrap();
    let finish = json!({ "registrationId": begun["registrationId"], "credential": credential });
    kms.post("/webauthn/register/finish", &finish).await.unwrap()["registrationId"].clone()
}

#[tokio::test]
async fn an_account_is_made_with_the_relays_invitation_and_not_without() {
    let closed = |configuration: &mut Value| {
        configuration["kms"]["account_creation"] = "authorised".into();
        configuration["relay"]["rpc"] = json!({ "api_key_hashes": [HASH] });
    };
    let world = Setup::of(V07).configure(closed).start().await;
    let uninvited = world.kms().post("/webauthn/register/begin", &json!({ "userName": "uninvited" })).await;
    uninvited.unwrap_err().is_final(401, "creation_unauthorised");

    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "pm_createAccountInvitation", "params": [] });
    let request = devkit::http::client().post(world.node.url("rpc")).bearer_auth("a-servers-key").json(&call);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let invitation = &answer["result"]["invitation"];
    assert!(invitation.is_string(), "{answer}");
    let (one, other) = (registered(&world, invitation).await, registered(&world, invitation).await);
    let route = "/kms/create-deterministic-account";
    let uninvited = world.kms().post(route, &json!({ "registrationId": one })).await;
    uninvited.unwrap_err().is_final(401, "creation_unauthorised");
    let invited = json!({ "registrationId": one, "invitation": invitation });
    let mut account = world.kms().post(route, &invited).await.unwrap();
    assert_eq!(account["created"], true);
    account["created"] = false.into();
    assert_eq!(world.kms().post(route, &invited).await.unwrap(), account);
    let again = world.kms().post(route, &json!({ "registrationId": other, "invitation": invitation })).await;
    again.unwrap_err().is_final(403, "invitation_used_up");
}
