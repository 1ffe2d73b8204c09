//! Frames of the trusted application: what decodes is encoded again to the same value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::command::{Request, Visitor};
use proto::frame;
use proto::limits::{MAX_FRAME, MAX_REPLY};

struct Check<'a> {
    payload: &'a [u8],
}

impl Visitor for Check<'_> {
    type Output = ();

    fn visit<R: Request>(self) {
        check::<R>(self.payload);
    }
}

fn check<R: Request>(payload: &[u8]) {
    if let Ok(request) = frame::decode_payload::<R>(payload) {
        let encoded = frame::encode_request(&request).expect("what fitted into a frame fits again");
        assert!(encoded.len() <= MAX_FRAME);
        let (opcode, payload) = frame::split_request(&encoded).expect("a frame of ours");
        assert_eq!(opcode, R::OPCODE);
        assert_eq!(frame::decode_payload::<R>(payload).as_ref(), Ok(&request));
    }
    if let Ok(Ok(reply)) = frame::decode_reply::<R>(payload) {
        let encoded = frame::encode_reply::<R>(&reply).expect("what fitted into a reply fits again");
        assert!(encoded.len() <= MAX_REPLY);
        assert_eq!(frame::decode_reply::<R>(&encoded), Ok(Ok(reply)));
    }
}

fuzz_target!(|frame: &[u8]| {
    let Ok((opcode, payload)) = frame::split_request(frame) else { return };
    opcode.visit(Check { payload });
});
