//! After a power cycle: acknowledged changes are still there.

use proto::command::Phase;
use proto::{EntryPointVersion, Status};

use crate::fixtures::{ACCOUNT, admin, passkey, relay, state, wallet};
use crate::rules;
use crate::support::requests::{Draft, sponsor};
use crate::support::world::{provision, signed};
use crate::tee::Tee;

pub fn run(tee: &mut Tee) {
    rules!(tee, every_acknowledged_change_is_there, it_cannot_be_provisioned_again, it_signs_as_before,);
}

fn every_acknowledged_change_is_there(tee: &mut Tee) {
    let state = state(tee);
    assert_eq!((state.phase, state.counter), (Phase::Ready, 2));
    let provisioned = state.provisioned.unwrap();
    assert_eq!(provisioned.admin, admin().address());
    assert_eq!(provisioned.signers.len(), 1);
    assert_eq!(provisioned.signers[0].address, relay().address());
    assert_eq!(wallet(tee).passkeys.len(), 1);
}

fn it_cannot_be_provisioned_again(tee: &mut Tee) {
    let command = signed(provision(state(tee).tee_id, admin().address(), 1), &admin());
    assert_eq!(tee.call(&command).unwrap_err(), Status::AlreadyProvisioned);
}

fn it_signs_as_before(tee: &mut Tee) {
    let command = sponsor(EntryPointVersion::V08, ACCOUNT, 2).approved(&passkey(), &relay());
    tee.call(&command).unwrap();
}
