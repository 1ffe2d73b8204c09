//! A new trusted application, from its first reply to valid signatures.

use proto::bytes::BoundedBytes;
use proto::command::{CreateHybridAccount, Echo, GetVersion, GetWalletInfo, Hello, Phase, Protection, SignatureScheme};
use proto::digest::personal_message_hash;
use proto::limits::{MAX_FRAME, MAX_REPLY};
use proto::{EntryPointVersion, Hash, PaymasterDigest, Permissions, Status, frame, paymaster};

use crate::entry::changes_nothing_without_room;
use crate::fixtures::{ACCOUNT, admin, passkey, relay, state, wallet};
use crate::rules;
use crate::support::keys::recover;
use crate::support::requests::{Draft, sponsor};
use crate::support::world::{authorize, provision, signed};
use crate::tee::Tee;

/// Printed by `scripts/optee/measure`.
const MEASUREMENT_FILE: &str = "/guest/measurement";

pub fn run(tee: &mut Tee) {
    rules!(
        tee,
        it_speaks_the_wire_version_and_limits_of_the_host,
        it_reports_the_measurement_of_the_build,
        it_reports_only_what_the_platform_claims,
        a_new_one_accepts_only_provision,
        it_is_provisioned_once,
        a_relay_key_is_authorised_by_the_admin,
        an_invalid_frame_is_refused_with_a_status,
        an_account_is_made_with_a_passkey,
        a_sponsorship_for_every_entry_point_carries_both_signatures,
        the_same_frame_gives_the_same_bytes,
        another_session_sees_the_same_state,
    );
}

fn it_speaks_the_wire_version_and_limits_of_the_host(tee: &mut Tee) {
    let hello = tee.call(&Hello).unwrap();
    assert_eq!(hello.wire_version, frame::VERSION);
    assert_eq!((hello.max_frame as usize, hello.max_reply as usize), (MAX_FRAME, MAX_REPLY));
    let bytes = BoundedBytes::new((0..=255).collect()).unwrap();
    assert_eq!(tee.call(&Echo { bytes: bytes.clone() }).unwrap().bytes, bytes);
}

fn it_reports_the_measurement_of_the_build(tee: &mut Tee) {
    let version = tee.call(&GetVersion).unwrap();
    let measurement: String = version.measurement.0.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("trusted application {}, measurement 0x{measurement}", *version.version);
    assert_eq!(std::fs::read_to_string(MEASUREMENT_FILE).unwrap().trim(), format!("0x{measurement}"));
}

fn it_reports_only_what_the_platform_claims(tee: &mut Tee) {
    let state = state(tee);
    assert_eq!((state.phase, state.counter), (Phase::Uninitialised, 0));
    // Debian's OP-TEE for QEMU has no RPMB; its time is the Arm counter, which the normal world
    // cannot set.
    assert_eq!((state.storage, state.rollback), (Protection::SecureWorld, Protection::None));
    assert_eq!(state.time, Protection::Hardware);
}

fn a_new_one_accepts_only_provision(tee: &mut Tee) {
    let command = GetWalletInfo { account_id: ACCOUNT.parse().unwrap() };
    assert_eq!(tee.call(&command).unwrap_err(), Status::NotProvisioned);
}

fn it_is_provisioned_once(tee: &mut Tee) {
    let admin = admin();
    let command = signed(provision(state(tee).tee_id, admin.address(), 1), &admin);
    changes_nothing_without_room(tee, &command);
    tee.call(&command).unwrap();
    assert_eq!(tee.call(&command).unwrap_err(), Status::AlreadyProvisioned);
    let state = state(tee);
    assert_eq!((state.phase, state.counter), (Phase::Ready, 1));
    assert_eq!(state.provisioned.unwrap().admin, admin.address());
}

fn a_relay_key_is_authorised_by_the_admin(tee: &mut Tee) {
    let permissions = Permissions::SPONSOR | Permissions::SIGN_USER_OPERATION;
    let command = authorize(state(tee).tee_id, relay().address(), permissions, 2);
    let forged = signed(command, &relay());
    assert_eq!(tee.call(&forged).unwrap_err(), Status::AdminSignatureInvalid);
    let command = signed(command, &admin());
    changes_nothing_without_room(tee, &command);
    tee.call(&command).unwrap();
    assert_eq!(state(tee).counter, 2);
}

fn an_invalid_frame_is_refused_with_a_status(tee: &mut Tee) {
    for (bytes, status) in [
        (vec![], Status::Malformed),
        (vec![frame::VERSION], Status::Malformed),
        (vec![frame::VERSION + 1, 0, 0], Status::UnsupportedVersion),
        (vec![frame::VERSION, 0xff, 0xff], Status::UnknownCommand),
        (vec![frame::VERSION; MAX_FRAME + 1], Status::TooLarge),
        (vec![frame::VERSION; 4 * MAX_FRAME], Status::TooLarge),
    ] {
        assert_eq!(tee.handle(&bytes), frame::encode_refusal(status), "{} bytes", bytes.len());
    }
}

fn an_account_is_made_with_a_passkey(tee: &mut Tee) {
    let command = CreateHybridAccount {
        account_id: ACCOUNT.parse().unwrap(),
        signature_scheme: SignatureScheme::Eip191,
        registration: passkey().register(),
    };
    changes_nothing_without_room(tee, &command);
    let made = tee.call(&command).unwrap();
    assert_eq!(tee.call(&command).unwrap(), made, "the same passkey gives the same account");
    assert_eq!(wallet(tee), made);
}

fn a_sponsorship_for_every_entry_point_carries_both_signatures(tee: &mut Tee) {
    let paymaster_signer = state(tee).provisioned.unwrap().paymaster_signer;
    let owner = wallet(tee).owner;
    for version in EntryPointVersion::ALL {
        let command = sponsor(version, ACCOUNT, 0).approved(&passkey(), &relay());
        let reply = tee.call(&command).unwrap();
        let PaymasterDigest(digest) = paymaster::paymaster_digest(&command.op, &command.entry_point, &command.terms);
        assert_eq!(recover(&digest, &reply.paymaster_signature), Some(paymaster_signer));
        let Hash(account_digest) = personal_message_hash(&reply.user_op_hash.0);
        assert_eq!(recover(&account_digest, &reply.account_signature.unwrap()), Some(owner));

        let mut changed = command;
        changed.op.call_gas_limit += 1;
        assert_eq!(tee.call(&changed).unwrap_err(), Status::SignerNotAuthorised, "another operation was approved");
    }
}

fn the_same_frame_gives_the_same_bytes(tee: &mut Tee) {
    let command = sponsor(EntryPointVersion::V07, ACCOUNT, 1).approved(&passkey(), &relay());
    let frame = frame::encode_request(&command).unwrap();
    assert_eq!(tee.handle(&frame), tee.handle(&frame));
}

fn another_session_sees_the_same_state(tee: &mut Tee) {
    let before = state(tee);
    tee.reopen();
    assert_eq!(state(tee), before);
}
