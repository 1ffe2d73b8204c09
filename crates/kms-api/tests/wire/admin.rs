//! Commands of the admin, and what they change.

use kms_api::admin::{
    Allowance, AuthorizeSigner, Ceilings, Deployment, Done, PreparePaymasterKey, Provision, RelyingParty, RevokeSigner,
    RotatePaymasterKey, RotateSigner, SetAllowance, SetCeilings, Signer, Signers,
};
use proto::command::Phase;
use proto::{EntryPointVersion, Permissions, Quantity};
use serde_json::{Value, json};

use super::{ONE, SIGNATURE, TEE, TWO, holds, holds_strictly, one, signature, tee, two};

fn ceilings() -> (Ceilings, Value) {
    let version = EntryPointVersion::V07;
    let deployment = Deployment { chain_id: Quantity(31_337), entry_point: ONE, version, paymaster: TWO };
    let ceilings =
        Ceilings { deployments: vec![deployment], max_cost: Quantity(100), max_window: 3600, max_accounts: 9 };
    let deployment = json!({ "chainId": "0x7a69", "entryPoint": one(), "version": "0.7", "paymaster": two() });
    (ceilings, json!({ "deployments": [deployment], "maxCost": "0x64", "maxWindow": 3600, "maxAccounts": 9 }))
}

#[test]
fn commands_of_the_admin() {
    let (tee_id, counter, signature_) = (TEE, 5, SIGNATURE);
    let common = json!({ "teeId": tee(), "counter": 5, "signature": signature() });
    let with = |fields: Value| {
        let mut body = common.clone();
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        body
    };
    let (bounds, bounds_json) = ceilings();
    let provision = Provision {
        tee_id,
        admin: ONE,
        relying_parties: vec![RelyingParty { id: "localhost".into(), origins: vec!["http://localhost".into()] }],
        ceilings: bounds.clone(),
        counter,
        signature: signature_,
    };
    let parties = json!([{ "id": "localhost", "origins": ["http://localhost"] }]);
    let expected = with(json!({ "admin": one(), "relyingParties": parties, "ceilings": bounds_json }));
    holds_strictly(&provision, &expected);
    let set_ceilings = SetCeilings { tee_id, ceilings: bounds, counter, signature: signature_ };
    holds_strictly(&set_ceilings, &with(json!({ "ceilings": bounds_json })));
    let permissions = Permissions::SPONSOR | Permissions::ROTATE;
    let authorize = AuthorizeSigner { tee_id, signer: ONE, permissions, counter, signature: signature_ };
    holds_strictly(&authorize, &with(json!({ "signer": one(), "permissions": ["sponsor", "rotate"] })));
    let revoke = RevokeSigner { tee_id, record: 2, authorised_as: ONE, counter, signature: signature_ };
    holds_strictly(&revoke, &with(json!({ "record": 2, "authorisedAs": one() })));
    let deployment = bounds_json["deployments"][0].clone();
    let total = Quantity(u128::MAX);
    let set_allowance = SetAllowance {
        tee_id,
        deployment: set_ceilings.ceilings.deployments[0],
        total,
        counter,
        signature: signature_,
    };
    let total = "0xffffffffffffffffffffffffffffffff";
    holds_strictly(&set_allowance, &with(json!({ "deployment": deployment, "total": total })));
    holds_strictly(&PreparePaymasterKey { tee_id, counter, signature: signature_ }, &common);
    let rotate = RotatePaymasterKey { tee_id, next: ONE, counter, signature: signature_ };
    holds_strictly(&rotate, &with(json!({ "next": one() })));
    holds(&Done { success: true }, &json!({ "success": true }));
}

#[test]
fn a_rotation_of_a_relay_key() {
    let rotate = RotateSigner {
        tee_id: TEE,
        record: 2,
        rotation: 3,
        current: ONE,
        next: TWO,
        current_signature: SIGNATURE,
        next_signature: SIGNATURE,
        admin_signature: None,
    };
    let expected = json!({
        "teeId": tee(),
        "record": 2,
        "rotation": 3,
        "current": one(),
        "next": two(),
        "currentSignature": signature(),
        "nextSignature": signature(),
        "adminSignature": null,
    });
    holds_strictly(&rotate, &expected);
}

#[test]
fn signers() {
    let (bounds, bounds_json) = ceilings();
    let names = ["sponsor", "of_tomorrow"];
    let signer = Signer {
        record: 2,
        authorised_as: ONE,
        address: TWO,
        permissions: names.map(str::to_owned).to_vec(),
        rotations: 1,
    };
    let signers = Signers {
        tee_id: TEE,
        counter: 4,
        phase: Phase::Ready,
        admin: Some(ONE),
        paymaster_signer: Some(TWO),
        standby_paymaster_signer: None,
        signers: vec![signer],
        accounts: Some(3),
        max_accounts: Some(9),
        rp_id: Some("example.org".into()),
        allowances: Some(vec![Allowance {
            deployment: bounds.deployments[0],
            granted: Quantity(100),
            spent: Quantity(3),
            sealed: Quantity(9),
            remaining: Quantity(97),
        }]),
        ceilings: Some(bounds),
    };
    let record = json!({ "record": 2, "authorisedAs": one(), "address": two(), "permissions": names, "rotations": 1 });
    let expected = json!({
        "teeId": tee(),
        "counter": 4,
        "phase": "ready",
        "admin": one(),
        "paymasterSigner": two(),
        "standbyPaymasterSigner": null,
        "signers": [record],
        "accounts": 3,
        "maxAccounts": 9,
        "rpId": "example.org",
        "ceilings": bounds_json,
        "allowances": [{
            "deployment": bounds_json["deployments"][0],
            "granted": "0x64",
            "spent": "0x3",
            "sealed": "0x9",
            "remaining": "0x61",
        }],
    });
    holds(&signers, &expected);
    // Fields that an earlier version of the gateway does not send are absent.
    let told = json!({ "teeId": tee(), "counter": 4, "phase": "ready", "signers": [] });
    let told: Signers = serde_json::from_value(told).unwrap();
    assert_eq!((told.rp_id, told.ceilings, told.allowances), (None, None, None));
}
