//! Properties 3 and 4: an approval is valid for one command, once, and one proof alone signs
//! nothing.

use proto::command::{
    AuthorizeSigner, CreateHybridAccount, Opcode, Registration, SignWithHybridKey, SignatureScheme, Sponsor,
};
use proto::{Address, EntryPointVersion, Permissions, Signature, Status, UserOperation, frame};

use crate::admin_cases::admin_cases;
use crate::support::requests::{no_assertion, sign, sponsor};
use crate::support::world::{authorize, signed};
use crate::support::{Draft, EthKey, World};

const VERSION: EntryPointVersion = EntryPointVersion::V07;

/// A world that accepts the valid command of that opcode.
fn world_for(opcode: Opcode, ready: &World) -> World {
    if opcode == Opcode::Provision { World::new() } else { ready.fork() }
}

#[test]
pub fn the_admin_s_signature_for_one_opcode_is_invalid_for_another() {
    let mut ready = World::ready();
    ready.prepare_paymaster_key().unwrap();
    let opcodes: Vec<_> = admin_cases(&mut ready, 0).iter().map(|case| case.opcode).collect();
    for (index, given_as) in opcodes.into_iter().enumerate() {
        // Every command of a pair is for the same count: the next one of the world it is sent to.
        let counter = world_for(given_as, &ready).next_counter();
        for signed_for in admin_cases(&mut ready, counter) {
            let signature = ready.admin.sign(&signed_for.digest);
            let mut world = world_for(given_as, &ready);
            let given = &admin_cases(&mut world, counter)[index];
            let expected = if signed_for.opcode == given_as { Status::Ok } else { Status::AdminSignatureInvalid };
            let status = world.status_of(&given.signed(signature));
            assert_eq!(status, expected, "{:?} as {given_as:?}", signed_for.opcode);
        }
    }
}

#[test]
pub fn an_admin_command_works_once() {
    let mut world = World::ready();
    let counter = world.next_counter();
    let signer = EthKey::numbered(9).address();
    let revoke_admin = world.admin.clone();
    let command = signed(authorize(world.tee_id, signer, Permissions::SPONSOR, counter), &world.admin);
    assert_eq!(world.call(&command), Ok(()));
    assert_eq!(world.call(&command), Err(Status::CounterMismatch));
    world.revoke(signer).unwrap();
    assert_eq!(world.call(&command), Err(Status::CounterMismatch));
    world.restart().unwrap();
    assert_eq!(world.call(&command), Err(Status::CounterMismatch));
    // Nor with an incremented count, which is part of what was signed.
    let counter = world.next_counter();
    assert_eq!(world.call(&AuthorizeSigner { counter, ..command }), Err(Status::AdminSignatureInvalid));
    let ahead = AuthorizeSigner { counter: counter + 1, ..command };
    assert_eq!(world.call(&signed(ahead, &revoke_admin)), Err(Status::CounterMismatch));
}

#[test]
pub fn a_gesture_for_sponsoring_signs_no_self_paid_operation() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    let relay = world.relay.clone();
    for version in EntryPointVersion::ALL {
        let gesture = sponsor(version, "alice", 0).user_approves(&passkey).passkey.unwrap();
        let mut command = sign(version, "alice", 0);
        command.passkey = gesture;
        let foreign = command.clone().relay_approves(&relay);
        assert_eq!(world.call(&foreign), Err(Status::ChallengeMismatch), "{version}");
        command.op.paymaster = None;
        let self_paid = command.relay_approves(&relay);
        assert_eq!(world.call(&self_paid), Err(Status::PaymasterMissing), "{version}");
    }
}

#[test]
pub fn nothing_is_signed_with_the_zero_address_as_paymaster() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    let relay = world.relay.clone();
    for version in EntryPointVersion::ALL {
        let mut command = sign(version, "alice", 0);
        command.op.paymaster.as_mut().unwrap().address = Address::default();
        assert_eq!(world.call(&command.approved(&passkey, &relay)), Err(Status::PaymasterMissing), "{version}");
    }
}

#[test]
pub fn a_gesture_for_another_s_paymaster_gets_no_sponsorship() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    let relay = world.relay.clone();
    for version in EntryPointVersion::ALL {
        let mut command = sponsor(version, "alice", 0);
        // Even if the paymaster fields equal those of our terms.
        let op = UserOperation { paymaster: Some(command.terms.unsigned()), ..command.op.clone() };
        let foreign = SignWithHybridKey { op, ..sign(version, "alice", 0) }.user_approves(&passkey);
        command.passkey = Some(foreign.passkey);
        assert_eq!(world.call(&command.relay_approves(&relay)), Err(Status::ChallengeMismatch), "{version}");
    }
}

#[test]
pub fn a_relay_s_approval_to_sponsor_does_not_approve_signing() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    let relay = world.relay.clone();
    for version in EntryPointVersion::ALL {
        let sponsorship = sponsor(version, "alice", 0).approved(&passkey, &relay);
        let op = UserOperation { paymaster: Some(sponsorship.terms.unsigned()), ..sponsorship.op.clone() };
        let mut command = SignWithHybridKey { op, ..sign(version, "alice", 0) };
        command.approval = sponsorship.approval;
        // With its own gesture, the gesture is wrong; with another, the approval is.
        command.passkey = sponsorship.passkey.unwrap();
        assert_eq!(world.call(&command), Err(Status::ChallengeMismatch), "{version}");
        assert_eq!(world.call(&command.user_approves(&passkey)), Err(Status::SignerNotAuthorised), "{version}");
    }
}

#[test]
pub fn a_registration_is_not_an_approval() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    let relay = world.relay.clone();
    let mut command = sponsor(VERSION, "alice", 0);
    let client_data = passkey.client_data("webauthn.create", &command.intent_hash().0);
    command.passkey = Some(passkey.sign(client_data, passkey.authenticator_data(0)));
    assert_eq!(world.call(&command.relay_approves(&relay)), Err(Status::ClientDataTypeWrong));
    let assertion = no_assertion();
    let create = CreateHybridAccount {
        account_id: "bob".parse().unwrap(),
        signature_scheme: SignatureScheme::Raw,
        registration: Registration {
            authenticator_data: assertion.authenticator_data,
            client_data_json: assertion.client_data_json,
        },
    };
    assert_eq!(world.call(&create), Err(Status::ClientDataTypeWrong));
}

#[test]
pub fn a_replay_gives_the_same_bytes_and_writes_nothing() {
    let (base, mut passkey, _) = World::with_account(SignatureScheme::Eip191);
    passkey.count = 3;
    let relay = base.relay.clone();
    let frames = [
        frame::encode_request(&sponsor(VERSION, "alice", 0).approved(&passkey, &relay)).unwrap(),
        frame::encode_request(&sign(VERSION, "alice", 0).approved(&passkey, &relay)).unwrap(),
    ];
    for frame in frames {
        let mut world = base.fork();
        let reply = world.core.handle(&frame);
        assert_eq!(reply[..4], [0; 4]);
        for _ in 0..2 {
            let writes = world.device.writes();
            assert_eq!(world.core.handle(&frame), reply);
            assert_eq!(world.device.writes(), writes);
            world.restart().unwrap();
        }
    }
}

#[test]
pub fn an_approval_by_a_passkey_that_does_not_count_writes_nothing() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    let relay = world.relay.clone();
    let writes = world.device.writes();
    for nonce in 0..2 {
        world.call(&sponsor(VERSION, "alice", nonce).approved(&passkey, &relay)).unwrap();
    }
    assert_eq!(world.device.writes(), writes);
}

#[test]
pub fn the_relay_alone_signs_nothing() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    let relay = world.relay.clone();
    let without = sponsor(VERSION, "alice", 0).relay_approves(&relay);
    assert_eq!(world.call(&without), Err(Status::PasskeyMissing));
    let mut forged = sponsor(VERSION, "alice", 0);
    forged.passkey = Some(no_assertion());
    assert_eq!(world.call(&forged.relay_approves(&relay)), Err(Status::CredentialUnknown));
    let mut other = sponsor(VERSION, "alice", 0);
    other.passkey = sponsor(VERSION, "alice", 3).user_approves(&passkey).passkey;
    assert_eq!(world.call(&other.relay_approves(&relay)), Err(Status::ChallengeMismatch));
    let forged = sign(VERSION, "alice", 0).relay_approves(&relay);
    assert_eq!(world.call(&forged), Err(Status::CredentialUnknown));
}

#[test]
pub fn the_user_alone_signs_nothing() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    let stranger = EthKey::numbered(9);
    let sponsorship = sponsor(VERSION, "alice", 0).user_approves(&passkey);
    let operation = sign(VERSION, "alice", 0).user_approves(&passkey);
    // A well-formed signature by a key that nobody holds.
    assert_eq!(world.call(&sponsorship), Err(Status::SignerNotAuthorised));
    assert_eq!(world.call(&operation), Err(Status::SignerNotAuthorised));
    assert_eq!(world.call(&sponsorship.relay_approves(&stranger)), Err(Status::SignerNotAuthorised));
    assert_eq!(world.call(&operation.relay_approves(&stranger)), Err(Status::SignerNotAuthorised));
}

#[test]
pub fn a_relay_key_may_do_only_what_the_admin_permitted() {
    let (mut world, passkey, wallet) = World::with_account(SignatureScheme::Eip191);
    let everything = [
        Permissions::SPONSOR,
        Permissions::SIGN_USER_OPERATION,
        Permissions::SPONSOR_WITHOUT_PASSKEY,
        Permissions::ROTATE,
    ];
    let missing = Err(Status::PermissionMissing);
    for (index, granted) in (10..).zip(everything) {
        let relay = EthKey::numbered(index);
        world.authorize(relay.address(), granted).unwrap();
        let sponsorship = world.call(&sponsor(VERSION, "alice", 0).approved(&passkey, &relay));
        assert_eq!(sponsorship.map(|_| ()), if granted == Permissions::SPONSOR { Ok(()) } else { missing });
        let operation = world.call(&sign(VERSION, "alice", 0).approved(&passkey, &relay));
        assert_eq!(operation.map(|_| ()), if granted == Permissions::SIGN_USER_OPERATION { Ok(()) } else { missing });
        let without = world.call(&sponsor(VERSION, "alice", 0).relay_approves(&relay)).map(|_| ());
        let refusal = if granted == Permissions::SPONSOR { Status::PasskeyMissing } else { Status::PermissionMissing };
        assert_eq!(without, Err(refusal));
    }
    let relay = EthKey::numbered(20);
    world.authorize(relay.address(), Permissions::SPONSOR | Permissions::SPONSOR_WITHOUT_PASSKEY).unwrap();
    let reply = world.call(&sponsor(VERSION, "nobody", 0).relay_approves(&relay)).unwrap();
    assert_eq!(reply.account_signature, None, "the account of {} signs only for its user", wallet.owner);
}

#[test]
pub fn a_relay_signature_has_one_form() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    let relay = world.relay.clone();
    let command: Sponsor = sponsor(VERSION, "alice", 0).approved(&passkey, &relay);
    let honest = command.approval.signature;
    let order = [0xff; 32];
    let forms = [
        crate::support::keys::with_high_s(&honest),
        Signature { v: honest.v - 27, ..honest },
        Signature { v: honest.v + 8, ..honest },
        Signature { v: 29, ..honest },
        Signature { r: [0; 32], ..honest },
        Signature { s: [0; 32], ..honest },
        Signature { r: order, ..honest },
        Signature { s: order, ..honest },
    ];
    for signature in forms {
        let mut command = command.clone();
        command.approval.signature = signature;
        assert_eq!(world.call(&command), Err(Status::RelaySignatureInvalid), "{signature:?}");
    }
    assert!(world.call(&command).is_ok());
}
