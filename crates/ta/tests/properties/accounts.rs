//! Accounts: one for each credential, permanently.

use proto::command::{Ceilings, GetWalletInfo, SignatureScheme, WalletInfo};
use proto::digest::personal_message_hash;
use proto::{AccountId, EntryPointVersion, Status};

use crate::support::keys::recover;
use crate::support::requests::{sign, sponsor};
use crate::support::world::ceilings;
use crate::support::{Draft, Passkey, World};
use ta::memory::Fault;

#[test]
pub fn the_same_registration_gives_the_same_account_and_writes_nothing() {
    let (mut world, passkey, wallet) = World::with_account(SignatureScheme::Raw);
    for scheme in [SignatureScheme::Raw, SignatureScheme::Eip191] {
        let writes = world.device.writes();
        assert_eq!(world.create("alice", &passkey, scheme), Ok(wallet.clone()), "the scheme is permanent");
        assert_eq!(world.device.writes(), writes);
        world.restart().unwrap();
    }
    assert_eq!(wallet.passkeys[0].public_key, passkey.public_key());
}

#[test]
pub fn a_credential_has_one_account_and_one_key_and_an_account_id_one_credential() {
    let (mut world, passkey, wallet) = World::with_account(SignatureScheme::Raw);
    let scheme = SignatureScheme::Raw;
    assert_eq!(world.create("other", &passkey, scheme), Err(Status::CredentialConflict));
    let other_key = Passkey { credential_id: passkey.credential_id.clone(), ..Passkey::numbered(0x42) };
    assert_eq!(world.create("alice", &other_key, scheme), Err(Status::CredentialConflict));
    assert_eq!(world.create("other", &other_key, scheme), Err(Status::CredentialConflict));
    assert_eq!(world.create("alice", &Passkey::numbered(0x42), scheme), Err(Status::AccountExists));
    let info = GetWalletInfo { account_id: "alice".parse().unwrap() };
    assert_eq!(world.call(&info), Ok(wallet));
    let unknown = GetWalletInfo { account_id: "other".parse().unwrap() };
    assert_eq!(world.call(&unknown), Err(Status::AccountUnknown));
}

#[test]
pub fn a_reserved_id_names_no_other_account() {
    let (mut world, _, _) = World::with_account(SignatureScheme::Raw);
    let scheme = SignatureScheme::Raw;
    let (passkey, other) = (Passkey::numbered(0x42), Passkey::numbered(0x43));
    let others = AccountId::of_credential(&other.credential_id).to_string();
    let address = "0xAb5801a7D398351b8bE11C439e05C5B3259aeC9B";
    for id in [
        address,
        &address.to_lowercase(),
        &address.replace("0x", "0X"),
        &others,
        &others.to_uppercase().replace("PK", "pk"),
    ] {
        let writes = world.device.writes();
        assert_eq!(world.create(id, &passkey, scheme), Err(Status::AccountIdReserved), "{id}");
        assert_eq!(world.device.writes(), writes, "{id}");
    }
    for (id, passkey) in [(others.as_str(), &other), (&address[..41], &passkey)] {
        assert!(world.create(id, passkey, scheme).is_ok(), "{id}");
    }
}

#[test]
pub fn an_unknown_account_signs_nothing() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Raw);
    let relay = world.relay.clone();
    for version in EntryPointVersion::ALL {
        let sponsorship = sponsor(version, "nobody", 0).approved(&passkey, &relay);
        assert_eq!(world.call(&sponsorship), Err(Status::AccountUnknown));
        assert_eq!(world.call(&sign(version, "nobody", 0).approved(&passkey, &relay)), Err(Status::AccountUnknown));
    }
}

#[test]
pub fn an_account_signs_final_operations_in_its_own_scheme() {
    for (scheme, version) in [
        (SignatureScheme::Eip191, EntryPointVersion::V06),
        (SignatureScheme::Eip191, EntryPointVersion::V07),
        (SignatureScheme::Raw, EntryPointVersion::V08),
        (SignatureScheme::Raw, EntryPointVersion::V09),
    ] {
        let (mut world, passkey, wallet) = World::with_account(scheme);
        let relay = world.relay.clone();
        let digest = |hash: [u8; 32]| match scheme {
            SignatureScheme::Eip191 => personal_message_hash(&hash).0,
            SignatureScheme::Raw => hash,
        };
        let command = sponsor(version, "alice", 1).approved(&passkey, &relay);
        let reply = world.call(&command).unwrap();
        let final_op = command.final_op(&reply.paymaster_signature);
        assert_eq!(reply.user_op_hash, final_op.hash(&command.entry_point));
        let signature = reply.account_signature.unwrap();
        assert_eq!(recover(&digest(reply.user_op_hash.0), &signature), Some(wallet.owner));
        let paymaster = proto::paymaster::paymaster_digest(&command.op, &command.entry_point, &command.terms);
        assert_eq!(recover(&paymaster.0, &reply.paymaster_signature), Some(reply.paymaster_signer));

        let command = sign(version, "alice", 1).approved(&passkey, &relay);
        let reply = world.call(&command).unwrap();
        assert_eq!(reply.user_op_hash, command.op.hash(&command.entry_point));
        assert_eq!(recover(&digest(reply.user_op_hash.0), &reply.signature), Some(wallet.owner));
        assert_eq!(reply.owner, wallet.owner);
    }
}

#[test]
fn more_accounts_than_memory_holds_all_keep_signing() {
    let mut world = World::ready();
    let relay = world.relay.clone();
    let mut wallets = Vec::new();
    for number in 0..150u8 {
        let mut passkey = Passkey::numbered(0x41);
        passkey.credential_id = vec![number; 8];
        let id = AccountId::of_credential(&passkey.credential_id);
        let wallet = world.create(id.as_str(), &passkey, SignatureScheme::Raw).unwrap();
        wallets.push((id, passkey, wallet));
    }
    for (id, passkey, wallet) in wallets {
        let command = sign(EntryPointVersion::V08, id.as_str(), 0).approved(&passkey, &relay);
        assert_eq!(world.call(&command).unwrap().owner, wallet.owner);
    }
}

fn limited_to(max_accounts: u32) -> World {
    let mut world = World::ready();
    world.set_ceilings(Ceilings { max_accounts, ..ceilings() }).unwrap();
    world
}

fn numbered(world: &mut World, number: u8) -> Result<WalletInfo, Status> {
    world.create(&format!("account-{number}"), &Passkey::numbered(number), SignatureScheme::Raw)
}

#[test]
pub fn accounts_are_limited_by_the_ceiling() {
    let mut world = limited_to(2);
    let first = numbered(&mut world, 0x41).unwrap();
    numbered(&mut world, 0x42).unwrap();
    assert_eq!(numbered(&mut world, 0x43), Err(Status::TooManyAccounts));
    assert_eq!(numbered(&mut world, 0x41), Ok(first), "an existing one is still returned");
    world.restart().unwrap();
    assert_eq!(numbered(&mut world, 0x43), Err(Status::TooManyAccounts));
    assert_eq!(world.state().provisioned.unwrap().accounts, 2);
    world.set_ceilings(Ceilings { max_accounts: 3, ..ceilings() }).unwrap();
    assert!(numbered(&mut world, 0x43).is_ok());
    world.set_ceilings(Ceilings { max_accounts: 0, ..ceilings() }).unwrap();
    assert_eq!(numbered(&mut world, 0x44), Err(Status::TooManyAccounts));
    assert_eq!(world.state().provisioned.unwrap().accounts, 3);
}

#[test]
pub fn an_interrupted_creation_is_counted_and_frees_no_room() {
    // Writes: the record with the count, its version's counter, the pointer to the account, the
    // account.
    for at in 0..4 {
        for fault in [Fault::Before, Fault::After, Fault::Refused] {
            let mut world = limited_to(2);
            world.fail_after(at, fault);
            assert!(numbered(&mut world, 0x41).is_err());
            world.restart().unwrap();
            let counted = world.state().provisioned.unwrap().accounts;
            assert!(numbered(&mut world, 0x41).is_ok(), "a retry creates it in the end");
            let spent = world.state().provisioned.unwrap().accounts;
            // Once the pointer exists, a retry is not counted a second time.
            let has_pointer = at == 3 || (at, fault) == (2, Fault::After);
            assert_eq!(spent - counted, u32::from(!has_pointer), "write {at} {fault:?}");
            let made = (0x42..0x46).filter(|number| numbered(&mut world, *number).is_ok()).count();
            assert_eq!(made + usize::try_from(spent).unwrap(), 2, "write {at} {fault:?}");
        }
    }
}
