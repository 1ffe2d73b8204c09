//! Frames of the trusted application: what decodes is encoded again to the same value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::command::*;
use proto::frame;
use proto::limits::{MAX_FRAME, MAX_REPLY};

fn check<R: Request + PartialEq + std::fmt::Debug>(payload: &[u8])
where
    R::Reply: PartialEq + std::fmt::Debug,
{
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
    match opcode {
        Opcode::Hello => check::<Hello>(payload),
        Opcode::Echo => check::<Echo>(payload),
        Opcode::GetVersion => check::<GetVersion>(payload),
        Opcode::GetWalletInfo => check::<GetWalletInfo>(payload),
        Opcode::CreateHybridAccount => check::<CreateHybridAccount>(payload),
        Opcode::SignWithHybridKey => check::<SignWithHybridKey>(payload),
        Opcode::VerifySecurityState => check::<VerifySecurityState>(payload),
        Opcode::Sponsor => check::<Sponsor>(payload),
        Opcode::Provision => check::<Provision>(payload),
        Opcode::AuthorizeSigner => check::<AuthorizeSigner>(payload),
        Opcode::RevokeSigner => check::<RevokeSigner>(payload),
        Opcode::RotateSigner => check::<RotateSigner>(payload),
        Opcode::SetCeilings => check::<SetCeilings>(payload),
        Opcode::PreparePaymasterKey => check::<PreparePaymasterKey>(payload),
        Opcode::RotatePaymasterKey => check::<RotatePaymasterKey>(payload),
        Opcode::Batch => check::<Batch>(payload),
        Opcode::Attest => check::<Attest>(payload),
    }
});
