//! An allowance over a power cycle: what was sealed counts as spent, and no more.

use proto::command::{Allowance, GetAllowances, SealAllowances, Sponsor};
use proto::{EntryPointVersion, Status, Wei, worst_case_cost};

use crate::fixtures::{ACCOUNT, admin, passkey, relay, state};
use crate::rules;
use crate::support::deployment;
use crate::support::requests::{Draft, sponsor};
use crate::support::world::{set_allowance, signed};
use crate::tee::Tee;

const VERSION: EntryPointVersion = EntryPointVersion::V08;
const OPERATIONS: u128 = 1000;

/// Before the power cycle.
pub fn before(tee: &mut Tee) {
    rules!(tee, the_exact_amount_is_sealed_on_request, a_chunk_is_sealed_before_it_is_spent);
}

/// After it.
pub fn after(tee: &mut Tee) {
    rules!(tee, the_rest_of_the_chunk_is_lost_and_no_more, nothing_is_signed_beyond_the_total);
}

fn numbered(number: u128) -> Sponsor {
    let mut command = sponsor(VERSION, ACCOUNT, 0);
    command.op.nonce = number.into();
    command.approved(&passkey(), &relay())
}

fn cost() -> u128 {
    let command = sponsor(VERSION, ACCOUNT, 0);
    worst_case_cost(&command.op, VERSION, &command.terms).unwrap().0
}

fn allowance(tee: &mut Tee) -> Allowance {
    tee.call(&GetAllowances).unwrap().allowances[0]
}

fn set(tee: &mut Tee, total: u128) {
    let state = state(tee);
    let command = set_allowance(state.tee_id, deployment(VERSION), total, state.counter + 1);
    tee.call(&signed(command, &admin())).unwrap();
}

fn the_exact_amount_is_sealed_on_request(tee: &mut Tee) {
    assert!(tee.call(&GetAllowances).unwrap().allowances.is_empty());
    set(tee, OPERATIONS * cost());
    for number in 0..3 {
        tee.call(&numbered(number)).unwrap();
    }
    tee.call(&SealAllowances).unwrap();
    let Allowance { spent, sealed, .. } = allowance(tee);
    assert_eq!((spent, sealed), (Wei(3 * cost()), Wei(3 * cost())));
}

fn a_chunk_is_sealed_before_it_is_spent(tee: &mut Tee) {
    for number in 3..5 {
        tee.call(&numbered(number)).unwrap();
    }
    let Allowance { spent, sealed, .. } = allowance(tee);
    assert_eq!((spent, sealed), (Wei(5 * cost()), sealed_then()));
}

/// Three were sealed exactly; then came a chunk of a sixteenth of the rest.
fn sealed_then() -> Wei {
    Wei(3 * cost() + (OPERATIONS - 3) * cost() / 16)
}

fn the_rest_of_the_chunk_is_lost_and_no_more(tee: &mut Tee) {
    let Allowance { granted, spent, sealed, .. } = allowance(tee);
    assert_eq!((granted, spent, sealed), (Wei(OPERATIONS * cost()), sealed_then(), sealed_then()));
    tee.call(&numbered(5)).unwrap();
}

fn nothing_is_signed_beyond_the_total(tee: &mut Tee) {
    let total = allowance(tee).spent.0 + cost();
    set(tee, total);
    tee.call(&numbered(6)).unwrap();
    assert_eq!(tee.call(&numbered(7)).unwrap_err(), Status::AllowanceExhausted);
}
