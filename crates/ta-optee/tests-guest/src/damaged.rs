//! After the host has damaged a sealed file: no account ever becomes available to the admin of a
//! fresh start.

use proto::Status;
use proto::command::{GetWalletInfo, Phase, VerifySecurityState};

use crate::fixtures::{ACCOUNT, state, wallet};
use crate::rule;
use crate::support::EthKey;
use crate::support::world::{provision, signed};
use crate::tee::Tee;

pub fn run() {
    rule("damage_gives_no_account_to_another_admin", damage_gives_no_account_to_another_admin);
}

/// OP-TEE deletes a damaged file when it first reads it, so the later answers matter as much as the
/// first.
fn damage_gives_no_account_to_another_admin() {
    for _ in 0..3 {
        // One of the files is OP-TEE's own, with the versions it has seen.
        let mut tee = match Tee::open() {
            Ok(tee) => tee,
            Err(error) => {
                println!("not loaded: {:#x}", error.raw_code());
                continue;
            }
        };
        match tee.call(&VerifySecurityState) {
            Ok(state) if state.phase == Phase::Ready => {
                println!("ready, counter {}", state.counter);
                assert_eq!(state.counter, 2);
                the_account_is_whole_or_refused(&mut tee);
            }
            Ok(state) => return everything_is_gone(&mut tee, state.counter),
            Err(refusal) => {
                println!("refused: {refusal}");
                assert!(matches!(refusal, Status::StorageCorrupt | Status::StorageFailed | Status::CounterFailed));
            }
        }
    }
}

fn the_account_is_whole_or_refused(tee: &mut Tee) {
    match tee.call(&GetWalletInfo { account_id: ACCOUNT.parse().unwrap() }) {
        Ok(info) => assert_eq!(info, wallet(tee)),
        Err(refusal) => {
            println!("account refused: {refusal}");
            assert!(matches!(refusal, Status::StorageCorrupt | Status::AccountUnknown));
        }
    }
}

/// The directory itself was damaged, and OP-TEE created a new one: equivalent to an empty disk.
fn everything_is_gone(tee: &mut Tee, counter: u64) {
    println!("new");
    let other_admin = EthKey::numbered(0xbd);
    let tee_id = state(tee).tee_id;
    tee.call(&signed(provision(tee_id, other_admin.address(), counter + 1), &other_admin)).unwrap();
    let command = GetWalletInfo { account_id: ACCOUNT.parse().unwrap() };
    assert_eq!(tee.call(&command).unwrap_err(), Status::AccountUnknown);
}
