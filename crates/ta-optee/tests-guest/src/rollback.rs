//! An older copy of the sealed files is restored, in which a relay key that was revoked since is
//! still authorised.

use optee_teec::raw;
use proto::command::{
    CreateHybridAccount, Phase, Protection, RevokeSigner, SignatureScheme, Sponsor, SponsorReply, VerifySecurityState,
};
use proto::{EntryPointVersion, Permissions, Status, TeeId};

use crate::fixtures::{ACCOUNT, admin, passkey, relay, state};
use crate::rules;
use crate::support::Passkey;
use crate::support::requests::{Draft, sponsor};
use crate::support::world::{authorize, no_signature, provision, signed};
use crate::tee::Tee;
use crate::timings;

/// OP-TEE's codes: the first for missing files, the second for older files.
const TEE_ERROR_SECURITY: u32 = 0xffff_000f;
const TEE_ERROR_CORRUPT_OBJECT: u32 = 0xf010_0001;

/// Creates the state that gets copied.
pub fn before(tee: &mut Tee) {
    rules!(tee, a_relay_key_is_authorised_and_used);
    timings::print("CreateHybridAccount, two records sealed", 10, |number| {
        let account_id = format!("account-{number}").parse().unwrap();
        let registration = Passkey::numbered(100 + number).register();
        let signature_scheme = SignatureScheme::Eip191;
        tee.call(&CreateHybridAccount { account_id, signature_scheme, registration }).unwrap();
    });
}

/// After the copy was made.
pub fn after(tee: &mut Tee) {
    rules!(tee, the_relay_key_is_revoked_and_refused);
}

/// The copy was restored, without RPMB.
pub fn accepted(tee: &mut Tee) {
    rules!(tee, an_older_copy_is_accepted_and_reported_as_undetectable);
}

/// The copy was restored, or all files removed, with RPMB.
pub fn refused() {
    rules!(&mut (), no_instance_serves_another_copy);
}

/// The newest files were restored.
pub fn restored(tee: &mut Tee) {
    rules!(tee, the_newest_files_are_served_with_every_acknowledged_command);
}

fn a_relay_key_is_authorised_and_used(tee: &mut Tee) {
    let tee_id = state(tee).tee_id;
    tee.call(&signed(provision(tee_id, admin().address(), 1), &admin())).unwrap();
    let (signer, permissions) = (relay().address(), Permissions::SPONSOR | Permissions::SIGN_USER_OPERATION);
    tee.call(&signed(authorize(tee_id, signer, permissions, 2), &admin())).unwrap();
    let (account_id, signature_scheme) = (ACCOUNT.parse().unwrap(), SignatureScheme::Eip191);
    let registration = passkey().register();
    tee.call(&CreateHybridAccount { account_id, signature_scheme, registration }).unwrap();
    sponsored(tee).unwrap();
}

fn the_relay_key_is_revoked_and_refused(tee: &mut Tee) {
    let (tee_id, authorised_as) = (state(tee).tee_id, relay().address());
    let command = RevokeSigner { tee_id, record: 2, authorised_as, counter: 3, signature: no_signature() };
    tee.call(&signed(command, &admin())).unwrap();
    assert_eq!(sponsored(tee).unwrap_err(), Status::SignerNotAuthorised);
}

fn an_older_copy_is_accepted_and_reported_as_undetectable(tee: &mut Tee) {
    let state = state(tee);
    assert_eq!((state.phase, state.counter), (Phase::Ready, 2));
    sponsored(tee).unwrap();
    assert_eq!(state.rollback, Protection::None);
    println!("counter {}, rollback {:?}", state.counter, state.rollback);
}

/// The first instance may still hold the newest state in memory, and then answers correctly.
/// Nothing gets signed with the older copy, nothing new is written over it, and after that nothing
/// is served at all.
fn no_instance_serves_another_copy(_: &mut ()) {
    let (signer, permissions) = (relay().address(), Permissions::SPONSOR);
    for round in 0..3 {
        // A new instance, if the previous one was ended: OP-TEE then has to read its list of
        // versions before it loads it.
        let mut tee = match Tee::open() {
            Ok(tee) => tee,
            Err(error) => {
                println!("not loaded: {:#x}", error.raw_code());
                assert!([TEE_ERROR_SECURITY, TEE_ERROR_CORRUPT_OBJECT].contains(&error.raw_code()));
                continue;
            }
        };
        let state = tee.try_call(&VerifySecurityState);
        match &state {
            Ok(Ok(state)) => assert_eq!((round, state.phase, state.counter), (0, Phase::Ready, 3)),
            other => println!("state: {}", refusal(other)),
        }
        let sponsored = tee.try_call(&sponsorship());
        assert!(!matches!(sponsored, Ok(Ok(_))), "a revoked relay key got a signature");
        println!("the revoked relay key: {}", refusal(&sponsored));
        // If it does not even report its TEE id, it accepts no command for any id.
        let tee_id = state.ok().and_then(Result::ok).map_or_else(TeeId::default, |state| state.tee_id);
        let provisioned = tee.try_call(&signed(provision(tee_id, relay().address(), 1), &relay()));
        println!("another admin: {}", refusal(&provisioned));
        let authorized = tee.try_call(&signed(authorize(tee_id, signer, permissions, 4), &admin()));
        println!("an admin command: {}", refusal(&authorized));
    }
}

/// Refused by the trusted application, or ended by OP-TEE first.
fn refusal<R>(result: &Result<Result<R, Status>, u32>) -> String {
    match result {
        Ok(Ok(_)) => panic!("an older copy of the storage was served"),
        Ok(Err(status)) => status.to_string(),
        Err(raw::TEEC_ERROR_TARGET_DEAD) => "OP-TEE ended the trusted application".to_owned(),
        Err(code) => panic!("{code:#x}"),
    }
}

fn the_newest_files_are_served_with_every_acknowledged_command(tee: &mut Tee) {
    let state = state(tee);
    println!("counter {}, rollback {:?}", state.counter, state.rollback);
    assert_eq!((state.phase, state.counter), (Phase::Ready, 3));
    assert_eq!(state.rollback, Protection::Hardware);
    assert_eq!(sponsored(tee).unwrap_err(), Status::SignerNotAuthorised);
}

fn sponsorship() -> Sponsor {
    sponsor(EntryPointVersion::V08, ACCOUNT, 0).approved(&passkey(), &relay())
}

fn sponsored(tee: &mut Tee) -> Result<SponsorReply, Status> {
    tee.call(&sponsorship())
}
