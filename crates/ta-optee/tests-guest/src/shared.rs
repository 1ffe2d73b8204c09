//! The gateway's transport: shared memory that is registered once, and several frames in one call.

use optee_session::{Room, Session, codes};
use proto::command::{Batch, Hello, Request};
use proto::limits::{MAX_FRAME, MAX_REPLY};
use proto::{Bounded, EntryPointVersion, bytes::BoundedList, frame};
use uuid::Uuid;

use crate::fixtures::{ACCOUNT, passkey, relay, state};
use crate::rules;
use crate::support::requests::{Draft, sponsor};
use crate::tee::Tee;
use crate::timings::print;

const UUID: &str = include_str!("../../uuid.txt");
const HANDLE_FRAME: u32 = 0;
const ROOM: Room = Room { request: MAX_FRAME, reply: MAX_REPLY };

pub fn run(tee: &mut Tee) {
    rules!(
        tee,
        every_frame_has_the_same_reply_over_registered_memory,
        a_batch_has_the_replies_that_its_frames_have_alone,
        a_reply_contains_nothing_of_the_previous_one,
        a_request_over_its_buffer_is_not_sent,
        an_unknown_trusted_application_is_not_found,
        the_version_names_the_signing_key,
    );
}

fn open() -> Session {
    Session::open(Uuid::parse_str(UUID).unwrap(), ROOM).unwrap()
}

fn encoded<R: Request>(request: &R) -> Vec<u8> {
    frame::encode_request(request).unwrap()
}

fn sponsorship(variant: u8) -> Vec<u8> {
    encoded(&sponsor(EntryPointVersion::V07, ACCOUNT, variant).approved(&passkey(), &relay()))
}

fn every_frame_has_the_same_reply_over_registered_memory(tee: &mut Tee) {
    let mut session = open();
    for frame in [encoded(&Hello), sponsorship(1), vec![], vec![0xff; 7], vec![1; MAX_FRAME]] {
        assert_eq!(session.call(HANDLE_FRAME, &frame).unwrap(), tee.handle(&frame));
    }
}

fn a_batch_has_the_replies_that_its_frames_have_alone(tee: &mut Tee) {
    let frames: Vec<_> = (1..=20).map(sponsorship).chain([encoded(&Hello), vec![9]]).collect();
    let replies = batch(&mut open(), &frames);
    assert_eq!(replies, frames.iter().map(|frame| tee.handle(frame)).collect::<Vec<_>>());
}

fn batch(session: &mut Session, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let frames = frames.iter().map(|frame| Bounded::new(frame.clone()).unwrap()).collect();
    let batch = Batch { frames: BoundedList::new(frames).unwrap() };
    let reply = session.call(HANDLE_FRAME, &encoded(&batch)).unwrap();
    let reply = frame::decode_reply::<Batch>(&reply).unwrap().unwrap();
    reply.replies.iter().map(|reply| reply.to_vec()).collect()
}

fn a_reply_contains_nothing_of_the_previous_one(_: &mut Tee) {
    let mut session = open();
    let long = session.call(HANDLE_FRAME, &sponsorship(1)).unwrap();
    let short = session.call(HANDLE_FRAME, &[9]).unwrap();
    assert!(long.len() > 100 && short.len() == 4);
}

fn a_request_over_its_buffer_is_not_sent(tee: &mut Tee) {
    let before = state(tee);
    let error = open().call(HANDLE_FRAME, &vec![0; MAX_FRAME + 1]).unwrap_err();
    assert_eq!(error.code, codes::EXCESS_DATA);
    assert_eq!(state(tee), before);
}

fn an_unknown_trusted_application_is_not_found(_: &mut Tee) {
    let error = Session::open(Uuid::from_u128(0x5ba7), ROOM).err().unwrap();
    assert_eq!(error.code, codes::ITEM_NOT_FOUND, "{error}");
}

fn the_version_names_the_signing_key(tee: &mut Tee) {
    let version = state(tee).version;
    assert!(version.ends_with("+development-key"), "{}", *version);
}

/// For comparison with temporary references.
pub fn timings() {
    let mut session = open();
    let hello = encoded(&Hello);
    print("Hello, registered memory", 200, |_| _ = session.call(HANDLE_FRAME, &hello).unwrap());
    for (what, frames) in
        [("20 Hellos", vec![hello; 20]), ("20 Sponsors", (1..=20).map(sponsorship).collect::<Vec<_>>())]
    {
        print(&format!("{what}, one by one"), 40, |_| {
            for frame in &frames {
                session.call(HANDLE_FRAME, frame).unwrap();
            }
        });
        print(&format!("{what}, in a batch"), 40, |_| _ = batch(&mut session, &frames));
    }
    print("a session opened, its memory registered", 20, |_| _ = open());
}
