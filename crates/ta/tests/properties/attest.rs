//! Attestation: which keys live in which code, for the verifier that chose the nonce.

use std::cell::RefCell;
use std::rc::Rc;

use proto::command::{Attest, AttestReply, GetVersion};
use proto::limits::MAX_QUOTE;
use proto::{Hash, Status, frame};
use ta::memory::SeededEntropy;
use ta::{AttestError, Attestor};

use crate::support::World;
use crate::support::world::{TestCore, open};

const NONCE: [u8; 32] = [0xa1; 32];

/// A platform that returns a preset quote and records what it was asked to sign.
#[derive(Clone)]
struct Quoting {
    answer: Result<Option<Vec<u8>>, AttestError>,
    asked: Rc<RefCell<Vec<Hash>>>,
}

impl Attestor for Quoting {
    fn quote(&mut self, challenge: &Hash) -> Result<Option<Vec<u8>>, AttestError> {
        self.asked.borrow_mut().push(*challenge);
        self.answer.clone()
    }
}

fn reopened(world: &World) -> TestCore {
    open(&world.device.fork(), SeededEntropy::new([1; 32])).unwrap()
}

fn attest(
    world: &World,
    answer: Result<Option<Vec<u8>>, AttestError>,
    nonce: [u8; 32],
) -> (Result<AttestReply, Status>, Hash) {
    let platform = Quoting { answer, asked: Rc::default() };
    let mut core = reopened(world).attested_by(platform.clone());
    let reply = core.handle(&frame::encode_request(&Attest { nonce }).unwrap());
    let asked = platform.asked.borrow();
    assert_eq!(asked.len(), 1);
    (frame::decode_reply::<Attest>(&reply).unwrap(), asked[0])
}

#[test]
fn a_quote_is_over_the_nonce_the_keys_the_code_and_the_counter() {
    let mut world = World::ready();
    let (reply, asked) = attest(&world, Ok(Some(vec![1, 2, 3])), NONCE);
    let AttestReply { statement, quote } = reply.unwrap();
    assert_eq!(quote.unwrap()[..], [1, 2, 3]);
    assert_eq!(asked, statement.challenge(&NONCE), "the quote covers the statement");

    let state = world.state();
    let (provisioned, keys) = (state.provisioned.unwrap(), statement.provisioned.unwrap());
    assert_eq!((keys.admin, keys.paymaster_signer), (provisioned.admin, provisioned.paymaster_signer));
    assert_eq!((statement.version, statement.measurement), (state.version, state.measurement));
    assert_eq!(statement.counter, state.counter);
    assert_eq!(statement.tee_id, state.tee_id);
}

#[test]
fn every_tee_has_its_own_id_from_its_first_start() {
    let mut world = World::new();
    let id = world.state().tee_id;
    assert_eq!(world.call(&GetVersion).unwrap().tee_id, id);
    assert_eq!(world.call(&Attest { nonce: NONCE }).unwrap().statement.tee_id, id);
    world.restart().unwrap();
    world.provision().unwrap();
    world.restart().unwrap();
    assert_eq!(world.state().tee_id, id);
    assert_ne!(World::with_entropy([8; 32]).state().tee_id, id);
}

#[test]
fn the_id_is_part_of_what_is_quoted() {
    let mut world = World::new();
    let AttestReply { mut statement, .. } = world.call(&Attest { nonce: NONCE }).unwrap();
    let challenge = statement.challenge(&NONCE);
    statement.tee_id.0[0] ^= 1;
    assert_ne!(statement.challenge(&NONCE), challenge);
}

#[test]
fn the_quote_changes_with_nonce_key_and_count() {
    let mut world = World::ready();
    let mut asked = vec![attest(&world, Ok(None), NONCE).1, attest(&world, Ok(None), [0xa2; 32]).1];
    asked.push(attest(&World::new(), Ok(None), NONCE).1);
    let mut other = World::with_entropy([8; 32]);
    other.provision().unwrap();
    other.authorize(other.relay.address(), proto::Permissions::ALL).unwrap();
    asked.push(attest(&other, Ok(None), NONCE).1);
    world.revoke(world.relay.address()).unwrap();
    asked.push(attest(&world, Ok(None), NONCE).1);
    for (index, challenge) in asked.iter().enumerate() {
        assert!(!asked[..index].contains(challenge), "{index}");
    }
}

#[test]
fn missing_attestation_is_distinguished_from_failed_attestation() {
    let mut world = World::ready();
    assert_eq!(world.call(&Attest { nonce: NONCE }).unwrap().quote, None);
    assert_eq!(attest(&world, Err(AttestError), NONCE).0, Err(Status::AttestationFailed));
    let longest = attest(&world, Ok(Some(vec![7; MAX_QUOTE])), NONCE).0.unwrap();
    assert_eq!(longest.quote.unwrap().len(), MAX_QUOTE);
    assert_eq!(attest(&world, Ok(Some(vec![7; MAX_QUOTE + 1])), NONCE).0, Err(Status::AttestationFailed));
}
