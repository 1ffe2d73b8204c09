//! The admin's digests, computed by ethers from the typed data that a wallet shows.
#![expect(clippy::unwrap_used, reason = "a vector that does not parse must fail the test")]

use proto::bytes::BoundedList;
use proto::command::{
    AuthorizeSigner, Ceilings, Deployment, PreparePaymasterKey, Provision, RelyingParty, RevokeSigner,
    RotatePaymasterKey, RotateSigner, SetAllowance, SetCeilings,
};
use proto::typed_data::TypedData;
use proto::{Address, Bounded, EntryPoint, EntryPointVersion, Permissions, Signature, TeeId, Wei};
use serde_json::Value;

const ID: TeeId = TeeId([0x1d; 32]);
const UNSIGNED: Signature = Signature::UNSIGNED;

fn vectors() -> Vec<Value> {
    serde_json::from_str(include_str!("../vectors/admin-digests.json")).unwrap()
}

fn relying_party(id: &str, origins: &[&str]) -> RelyingParty {
    let name = |text: &str| Bounded::new(text.to_owned()).unwrap();
    let origins = origins.iter().map(|origin| name(origin)).collect();
    RelyingParty { id: name(id), origins: BoundedList::new(origins).unwrap() }
}

fn deployment(chain_id: u64, version: EntryPointVersion, paymaster: u8) -> Deployment {
    let entry_point = EntryPoint { chain_id, address: version.canonical_address(), version };
    Deployment { entry_point, paymaster: Address([paymaster; 20]) }
}

fn ceilings(deployments: Vec<Deployment>) -> Ceilings {
    let deployments = BoundedList::new(deployments).unwrap();
    Ceilings { deployments, max_cost: Wei(u128::MAX), max_window: 3600, max_accounts: 10_000 }
}

fn assert_signed<T: TypedData>(name: &str, command: &T) {
    let vector = vectors().into_iter().find(|vector| vector["name"] == name).unwrap();
    assert_eq!(proto::json::typed_data::typed_data(command), vector["typedData"], "{name}");
    assert_eq!(command.digest().to_string(), vector["digest"].as_str().unwrap(), "{name}");
    assert_eq!(proto::json::typed_data::message(command), vector["typedData"]["message"]);
}

#[test]
fn every_digest_matches_the_wallet_s() {
    let (tee_id, signature) = (ID, UNSIGNED);
    let both = vec![deployment(1, EntryPointVersion::V07, 0x57), deployment(8453, EntryPointVersion::V06, 0x56)];
    let parties = vec![
        relying_party("wallet.example", &["https://wallet.example", "https://app.wallet.example"]),
        relying_party("other.example", &[]),
    ];
    let provision = Provision {
        tee_id,
        admin: Address([0xad; 20]),
        relying_parties: BoundedList::new(parties).unwrap(),
        ceilings: ceilings(both.clone()),
        counter: 1,
        signature,
    };
    assert_signed("provision", &provision);
    let signer = Address([0x51; 20]);
    let authorize = AuthorizeSigner { tee_id, signer, permissions: Permissions::ALL, counter: u64::MAX, signature };
    assert_signed("authorize-signer", &authorize);
    let sponsor = AuthorizeSigner { permissions: Permissions::SPONSOR, counter: 2, ..authorize };
    assert_signed("authorize-signer to sponsor", &sponsor);
    let revoke = RevokeSigner { tee_id, record: 2, authorised_as: signer, counter: 7, signature };
    assert_signed("revoke-signer", &revoke);
    let rotate = RotateSigner {
        tee_id,
        record: 2,
        rotation: 3,
        current: signer,
        next: Address([0x52; 20]),
        current_signature: UNSIGNED,
        next_signature: UNSIGNED,
        admin_signature: None,
    };
    assert_signed("rotate-signer", &rotate);
    let set_ceilings = SetCeilings { tee_id, ceilings: ceilings(both), counter: 8, signature };
    assert_signed("set-ceilings", &set_ceilings);
    assert_signed("set-ceilings without deployments", &SetCeilings { ceilings: ceilings(Vec::new()), ..set_ceilings });
    assert_signed("prepare-paymaster-key", &PreparePaymasterKey { tee_id, counter: 9, signature });
    let next = Address([0x58; 20]);
    assert_signed("rotate-paymaster-key", &RotatePaymasterKey { tee_id, next, counter: 10, signature });
    let base = deployment(8453, EntryPointVersion::V09, 0x59);
    let set_allowance = SetAllowance { tee_id, deployment: base, total: Wei(3), counter: 11, signature };
    assert_signed("set-allowance", &set_allowance);
    assert_signed("set-allowance to all", &SetAllowance { total: Wei(u128::MAX), ..set_allowance });
    assert_eq!(vectors().len(), 11, "each one is checked above");
}

#[test]
fn the_digest_covers_every_field_but_no_signature() {
    let command =
        RevokeSigner { tee_id: ID, record: 2, authorised_as: Address([0x51; 20]), counter: 7, signature: UNSIGNED };
    let digest = command.digest();
    assert_eq!(RevokeSigner { signature: Signature { v: 28, ..UNSIGNED }, ..command }.digest(), digest);
    let others = [
        RevokeSigner { tee_id: TeeId::default(), ..command },
        RevokeSigner { record: 3, ..command },
        RevokeSigner { authorised_as: Address([0x52; 20]), ..command },
        RevokeSigner { counter: 8, ..command },
    ];
    assert!(others.iter().all(|other| other.digest() != digest));
}
