//! A batch gives exactly the replies that its frames get alone, or does nothing at all.

use proto::command::{
    Attest, Batch, CreateHybridAccount, Echo, GetVersion, GetWalletInfo, Hello, Opcode, Request, SignatureScheme,
    VerifySecurityState,
};
use proto::limits::{MAX_BATCH, MAX_ECHO, MAX_FRAME, MAX_REPLY};
use proto::{Bounded, EntryPointVersion, Permissions, Status, frame};

use crate::support::requests::{batch, message, message_approved, personal_sign, sign, sponsor};
use crate::support::world::{authorize, signed};
use crate::support::{Draft, EthKey, Passkey, World};

fn encoded<R: Request>(request: &R) -> Vec<u8> {
    frame::encode_request(request).unwrap()
}

fn in_a_batch(world: &mut World, frames: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Status> {
    let replies = world.call(&batch(frames))?.replies;
    Ok(replies.iter().map(|reply| reply.to_vec()).collect())
}

fn wallet_of(account: &str) -> Vec<u8> {
    encoded(&GetWalletInfo { account_id: account.parse().unwrap() })
}

/// Frames of every kind, accepted and refused, with counts that depend on their order.
fn frames(world: &World) -> Vec<Vec<u8>> {
    let (relay, alice) = (&world.relay, Passkey::numbered(0x41));
    let mut frames = vec![
        encoded(&Hello),
        encoded(&GetVersion),
        encoded(&Echo { bytes: Bounded::new(vec![5; 40]).unwrap() }),
        wallet_of("alice"),
        wallet_of("nobody"),
        Vec::new(),
        vec![frame::VERSION + 1, 0, 0],
        vec![frame::VERSION, 0, 99],
        encoded(&Hello)[..2].to_vec(),
        [&encoded(&Hello)[..], &[0]].concat(),
    ];
    // The second version signs with a count already used for another challenge; the third sponsors
    // with a count that decreased.
    for (version, (first, second)) in EntryPointVersion::ALL.into_iter().zip([(3, 4), (5, 5), (2, 6), (9, 10)]) {
        let [passkey, next] = [first, second].map(|count| Passkey { count, ..alice.clone() });
        let stranger = EthKey::numbered(8);
        frames.push(encoded(&sponsor(version, "alice", 1).approved(&passkey, relay)));
        frames.push(encoded(&sign(version, "alice", 1).approved(&next, relay)));
        frames.push(encoded(&sponsor(version, "alice", 1).approved(&passkey, &stranger)));
    }
    // The first has a count already used for another challenge.
    let passkey = Passkey { count: 10, ..alice.clone() };
    frames.push(encoded(&message_approved(message("alice", b"sign in"), &passkey)));
    let passkey = Passkey { count: 11, ..alice };
    frames.push(encoded(&message_approved(personal_sign("alice", b"sign in", 0), &passkey)));
    frames
}

#[test]
pub fn each_frame_gets_the_reply_it_gets_alone() {
    let ready = World::with_account(SignatureScheme::Raw).0;
    for base in [ready.fork(), World::new()] {
        let (mut alone, mut together) = (base.fork(), base.fork());
        let frames = frames(&ready);
        let expected: Vec<_> = frames.iter().map(|frame| alone.core.handle(frame)).collect();
        assert_eq!(in_a_batch(&mut together, &frames), Ok(expected.clone()));
        let (alone, together) = (alone.device.records(), together.device.records());
        assert!(alone == together, "and the state afterwards is the same");
    }
    let mut world = ready.fork();
    let replies = in_a_batch(&mut world, &frames(&ready)).unwrap();
    let taken = replies.iter().filter(|reply| reply[..4] == [0; 4]).count();
    assert_eq!(taken, 4 + 4 * 2 - 2 + 1, "all but those with a used count");
    assert_eq!(in_a_batch(&mut world, &[]), Ok(Vec::new()));
}

#[test]
pub fn irreversible_commands_in_a_batch_are_refused_and_the_rest_answered() {
    let mut world = World::with_account(SignatureScheme::Raw).0;
    let (counter, before) = (world.next_counter(), world.state());
    let signer = EthKey::numbered(9).address();
    let authorize = authorize(world.tee_id, signer, Permissions::ALL, counter);
    let create = CreateHybridAccount {
        account_id: "bob".parse().unwrap(),
        signature_scheme: SignatureScheme::Raw,
        registration: Passkey::numbered(0x42).register(),
    };
    let alone = [
        encoded(&signed(authorize, &world.admin)),
        encoded(&create),
        encoded(&batch(&[encoded(&Hello)])),
        encoded(&VerifySecurityState),
        encoded(&Attest { nonce: [1; 32] }),
    ];
    let frames: Vec<_> = alone.iter().flat_map(|frame| [frame.clone(), wallet_of("alice")]).collect();
    // Each wallet's reply reserves room for the maximum number of passkeys, so only three fit into
    // a batch.
    for frames in frames.chunks(6) {
        let replies = in_a_batch(&mut world, frames).unwrap();
        for pair in replies.chunks(2) {
            assert_eq!(pair[0], frame::encode_refusal(Status::NotBatchable));
            assert_eq!(pair[1], world.core.handle(&wallet_of("alice")));
        }
    }
    assert_eq!(world.state(), before);
    assert_eq!(world.core.handle(&wallet_of("bob")), frame::encode_refusal(Status::AccountUnknown));
    assert!(alone.iter().all(|frame| world.core.handle(frame)[..4] == [0; 4]), "alone each of them is accepted");
}

#[test]
fn no_opcode_is_both_batchable_and_irreversible() {
    let batchable: Vec<_> = Opcode::ALL.iter().filter(|opcode| opcode.batched_reply_limit().is_some()).collect();
    let expected = [
        Opcode::Hello,
        Opcode::Echo,
        Opcode::GetVersion,
        Opcode::GetWalletInfo,
        Opcode::SignWithHybridKey,
        Opcode::Sponsor,
        Opcode::SignMessage,
    ];
    assert!(batchable.into_iter().eq(&expected));
}

#[test]
pub fn a_batch_whose_replies_might_not_fit_is_refused_before_anything_is_done() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Raw);
    let counting = Passkey { count: 5, ..passkey };
    let relay = world.relay.clone();
    let sponsorship = encoded(&sponsor(EntryPointVersion::V07, "alice", 0).approved(&counting, &relay));
    let wallets = vec![wallet_of("alice"); MAX_REPLY / Opcode::GetWalletInfo.batched_reply_limit().unwrap()];
    assert!(in_a_batch(&mut world, &wallets).is_ok());
    let too_many = [&[sponsorship.clone(), wallet_of("alice")], &wallets[..]].concat();
    let writes = world.device.writes();
    assert_eq!(in_a_batch(&mut world, &too_many), Err(Status::TooLarge));
    assert_eq!(world.device.writes(), writes, "the sponsorship's count would have been written");

    // A full batch of sponsorships always fits, even with the longest echoes that do.
    let full = vec![sponsorship; MAX_BATCH];
    assert!(frame::batch_reply_limit(&batch(&full)) <= MAX_REPLY);
    let replies = in_a_batch(&mut world, &full).unwrap();
    assert_eq!(replies.len(), MAX_BATCH);
    let echo = encoded(&Echo { bytes: Bounded::new(vec![7; MAX_ECHO]).unwrap() });
    assert_eq!(in_a_batch(&mut world, &vec![echo; MAX_BATCH]).unwrap()[MAX_BATCH - 1].len(), 4 + 2 + MAX_ECHO);
}

#[test]
pub fn a_batch_is_bounded_in_frames_and_in_bytes() {
    let mut world = World::ready();
    // The payload of a batch with one frame too many: its count, then each frame with its length.
    let hello = encoded(&Hello);
    let count = u8::try_from(MAX_BATCH + 1).unwrap();
    let items = [&[u8::try_from(hello.len()).unwrap()], &hello[..]].concat().repeat(MAX_BATCH + 1);
    let [high, low] = (Opcode::Batch as u16).to_be_bytes();
    let frame = [&[frame::VERSION, high, low, count], &items[..]].concat();
    assert_eq!(world.core.handle(&frame), frame::encode_refusal(Status::Malformed));

    let halves = vec![vec![0; MAX_FRAME / 2]; 2];
    assert_eq!(frame::encode_request::<Batch>(&batch(&halves)), Err(Status::TooLarge));
}
