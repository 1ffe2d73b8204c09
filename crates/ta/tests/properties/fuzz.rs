//! Property 9: no frame makes the core panic, and a refused one changes nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

use proptest::collection::vec;
use proptest::prelude::*;
use proto::command::{
    Attest, CreateHybridAccount, Echo, GetAllowances, GetVersion, GetWalletInfo, Hello, Opcode, SealAllowances,
    SignatureScheme, VerifySecurityState,
};
use proto::limits::{MAX_FRAME, MAX_REPLY};
use proto::{Bounded, EntryPointVersion, IntentList, Status, frame};

use crate::admin_cases::admin_cases;
use crate::cases::cases;
use crate::support::requests::{batch, message, message_approved, personal_sign, sign, sponsor};
use crate::support::{Draft, Passkey, World};

/// With alice's account, a relay key and a standby paymaster key.
fn with_standby() -> World {
    let mut world = World::with_account(SignatureScheme::Raw).0;
    world.prepare_paymaster_key().unwrap();
    world
}

/// An accepted frame of every opcode for [`world`].
fn seeds(world: &World) -> Vec<Vec<u8>> {
    let (admin, relay, passkey) = (&world.admin, &world.relay, Passkey::numbered(0x41));
    let provision = admin_cases(&mut World::new(), 1).into_iter().take(1);
    let administered = provision.chain(admin_cases(&mut world.fork(), 4).into_iter().skip(1));
    let administered = administered.map(|case| case.signed_by(admin));
    let create = CreateHybridAccount {
        account_id: "carol".parse().unwrap(),
        signature_scheme: SignatureScheme::Raw,
        registration: Passkey::numbered(0x43).register(),
    };
    let mut frames = vec![
        frame::encode_request(&Hello),
        frame::encode_request(&Echo { bytes: Bounded::new(vec![1; 9]).unwrap() }),
        frame::encode_request(&GetVersion),
        frame::encode_request(&VerifySecurityState),
        frame::encode_request(&GetAllowances),
        frame::encode_request(&SealAllowances),
        frame::encode_request(&Attest { nonce: [6; 32] }),
        frame::encode_request(&GetWalletInfo { account_id: "alice".parse().unwrap() }),
        frame::encode_request(&create),
    ];
    for version in EntryPointVersion::ALL {
        frames.push(frame::encode_request(&sponsor(version, "alice", 2).approved(&passkey, relay)));
        frames.push(frame::encode_request(&sign(version, "alice", 2).approved(&passkey, relay)));
    }
    for command in [message("alice", b"sign in"), personal_sign("alice", b"sign in", 1)] {
        frames.push(frame::encode_request(&message_approved(command, &passkey)));
    }
    let mut listed = sponsor(EntryPointVersion::V08, "alice", 1);
    let intents = [listed.intent_hash(), sponsor(EntryPointVersion::V09, "alice", 2).intent_hash()];
    listed.passkey = Some(passkey.assert_all(&IntentList::new(intents.to_vec()).unwrap()));
    frames.push(frame::encode_request(&listed.relay_approves(relay)));
    let mut frames: Vec<_> = frames.into_iter().map(Result::unwrap).chain(administered).collect();
    frames.push(frame::encode_request(&batch(&frames[..13])).unwrap());
    frames
}

/// The seed corpora of the fuzz targets. `UPDATE_CORPUS=1` rewrites them.
#[test]
fn the_corpora_of_the_fuzz_targets_have_a_frame_of_every_opcode() {
    let opcode = |frame: &[u8]| format!("{:?}", frame::split_request(frame).unwrap().0);
    for target in ["frames", "trusted_core"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
        if env::var_os("UPDATE_CORPUS").is_some() {
            fs::remove_dir_all(&folder).unwrap();
            fs::create_dir_all(&folder).unwrap();
            for (number, frame) in seeds(&with_standby()).iter().enumerate() {
                fs::write(folder.join(format!("{}-{number}", opcode(frame))), frame).unwrap();
            }
        }
        let files = fs::read_dir(&folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
        let found: BTreeSet<_> = files.map(|frame| opcode(&frame)).collect();
        let wanted: BTreeSet<_> = Opcode::ALL.iter().map(|opcode| format!("{opcode:?}")).collect();
        assert_eq!(found, wanted, "{target}");
    }
}

/// Checks that the reply has a known form, and that a refusal wrote nothing but a used count.
fn handle(world: &mut World, frame: &[u8]) -> Status {
    let writes = world.device.writes();
    let reply = world.core.handle(frame);
    assert!(reply.len() <= MAX_REPLY);
    let status = Status::from_code(u32::from_be_bytes(reply[..4].try_into().unwrap())).unwrap();
    assert!(status == Status::Ok || reply.len() == 4);
    assert!(status == Status::Ok || world.device.writes() == writes, "{status} wrote");
    status
}

#[test]
pub fn random_frames_get_a_refusal() {
    let base = World::with_account(SignatureScheme::Raw).0;
    for mut world in [base.fork(), World::new()] {
        let world = std::cell::RefCell::new(&mut world);
        proptest!(cases(4000, 500), |(
            bytes in vec(any::<u8>(), 0..600),
            opcode in 0..Opcode::ALL.len(),
            headed: bool,
        )| {
            let command = (Opcode::ALL[opcode] as u16).to_be_bytes();
            let header = [frame::VERSION, command[0], command[1]];
            let frame = if headed { [&header[..], &bytes].concat() } else { bytes };
            handle(&mut world.borrow_mut(), &frame);
        });
    }
}

/// A mutation of a frame: a cut, a changed byte, or a run of bytes from another frame, in one or
/// several places.
#[derive(Clone, Debug)]
enum Mutation {
    Cut(prop::sample::Index),
    Set(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Splice { at: prop::sample::Index, from: prop::sample::Index, start: prop::sample::Index, length: usize },
}

fn mutation() -> impl Strategy<Value = Mutation> {
    use prop::sample::Index;
    prop_oneof![
        any::<Index>().prop_map(Mutation::Cut),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (any::<Index>(), prop_oneof![Just(0xff), Just(0x80), Just(0)]).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        any::<Index>().prop_map(Mutation::Remove),
        (any::<Index>(), any::<Index>(), any::<Index>(), 1..90usize)
            .prop_map(|(at, from, start, length)| Mutation::Splice { at, from, start, length }),
    ]
}

fn mutate(frame: &mut Vec<u8>, mutation: &Mutation, others: &[Vec<u8>]) {
    if frame.is_empty() {
        return;
    }
    match mutation {
        Mutation::Cut(at) => frame.truncate(at.index(frame.len())),
        Mutation::Set(at, byte) => {
            let at = at.index(frame.len());
            frame[at] = *byte;
        }
        Mutation::Insert(at, byte) => frame.insert(at.index(frame.len()), *byte),
        Mutation::Remove(at) => drop(frame.remove(at.index(frame.len()))),
        Mutation::Splice { at, from, start, length } => {
            let other = from.get(others);
            let start = start.index(other.len());
            let run = &other[start..(start + length).min(other.len())];
            let at = at.index(frame.len());
            let end = (at + run.len()).min(frame.len());
            frame.splice(at..end, run.iter().copied());
        }
    }
}

#[test]
pub fn mutated_frames_of_every_opcode_get_a_reply() {
    let world = with_standby();
    let seeds = seeds(&world);
    let taken = seeds.iter().filter(|frame| handle(&mut world.fork(), frame) == Status::Ok).count();
    assert_eq!(taken, seeds.len() - 1, "all but the second provisioning");
    proptest!(cases(600, 20), |(
        sequence in vec((any::<prop::sample::Index>(), vec(mutation(), 1..4)), 1..20),
        provisioned in prop::bool::weighted(0.9),
    )| {
        let mut world = if provisioned { world.fork() } else { World::new() };
        for (seed, mutations) in &sequence {
            let mut frame = seed.get(&seeds).clone();
            for mutation in mutations {
                mutate(&mut frame, mutation, &seeds);
            }
            handle(&mut world, &frame);
        }
    });
}

#[test]
pub fn mutated_frames_in_a_batch_get_the_replies_they_get_alone() {
    let world = with_standby();
    let seeds: Vec<_> = seeds(&world).into_iter().filter(|frame| is_batchable(frame)).collect();
    assert!(seeds.len() > 10);
    proptest!(cases(600, 20), |(
        picks in vec((any::<prop::sample::Index>(), vec(mutation(), 0..2)), 0..12),
    )| {
        let frames: Vec<_> = picks.iter().map(|(seed, mutations)| {
            let mut frame = seed.get(&seeds).clone();
            mutations.iter().for_each(|mutation| mutate(&mut frame, mutation, &seeds));
            frame
        }).collect();
        let request = batch(&frames);
        let (mut alone, mut together) = (world.fork(), world.fork());
        let reply = together.call(&request);
        prop_assert_eq!(reply.is_err(), frame::batch_reply_limit(&request) > MAX_REPLY);
        // A mutation may turn a frame into another command, which a batch refuses.
        for (frame, reply) in frames.iter().zip(reply.iter().flat_map(|reply| reply.replies.iter())) {
            let single = if is_batchable(frame) || frame::split_request(frame).is_err() {
                alone.core.handle(frame)
            } else {
                frame::encode_refusal(Status::NotBatchable)
            };
            prop_assert_eq!(&single[..], &reply[..]);
        }
    });
}

fn is_batchable(frame: &[u8]) -> bool {
    frame::split_request(frame).is_ok_and(|(opcode, _)| opcode.batched_reply_limit().is_some())
}

#[test]
pub fn invalid_frames_are_refused_as_such() {
    let mut world = World::ready();
    assert_eq!(handle(&mut world, &[]), Status::Malformed);
    assert_eq!(handle(&mut world, &[frame::VERSION, 0]), Status::Malformed);
    assert_eq!(handle(&mut world, &[frame::VERSION + 1, 0, 0]), Status::UnsupportedVersion);
    assert_eq!(handle(&mut world, &[frame::VERSION, 0, 99]), Status::UnknownCommand);
    assert_eq!(handle(&mut world, &vec![frame::VERSION; MAX_FRAME + 1]), Status::TooLarge);
    assert_eq!(handle(&mut world, &vec![frame::VERSION; MAX_FRAME]), Status::UnknownCommand);
    assert_eq!(handle(&mut world, &[frame::VERSION, 0, 0, 0]), Status::Malformed, "one byte too many");
}
