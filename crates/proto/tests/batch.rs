//! The bounds with which a host packs a batch and the trusted application refuses one.
#![expect(clippy::unwrap_used, reason = "what can't be built fails the test")]

use proto::bytes::BoundedList;
use proto::command::{
    Batch, BatchReply, Echo, Echoed, GetVersion, GetWalletInfo, Hello, Opcode, PasskeyInfo, PasskeyPublicKey, Request,
    SignMessage, SignMessageReply, SignReply, SignWithHybridKey, SignatureScheme, Sponsor, SponsorReply, TaHello,
    TaVersion, WalletInfo,
};
use proto::limits::{MAX_ACCOUNT_ID, MAX_BATCH, MAX_CREDENTIAL_ID, MAX_ECHO, MAX_PASSKEYS, MAX_REPLY};
use proto::{Address, Bounded, Hash, Signature, TeeId, UserOpHash, frame};

const SIGNATURE: Signature = Signature { r: [0xff; 32], s: [0xff; 32], v: 28 };

fn assert_longest<R: Request>(reply: &R::Reply, slack: usize) {
    let length = frame::encode_reply::<R>(reply).unwrap().len();
    assert_eq!(R::OPCODE.batched_reply_limit(), Some(length + slack), "{:?}", R::OPCODE);
}

fn longest_wallet() -> WalletInfo {
    let passkey = PasskeyInfo {
        credential_id: Bounded::new(vec![0xff; MAX_CREDENTIAL_ID]).unwrap(),
        public_key: PasskeyPublicKey { x: [0xff; 32], y: [0xff; 32] },
    };
    WalletInfo {
        account_id: "a".repeat(MAX_ACCOUNT_ID).parse().unwrap(),
        owner: Address([0xff; 20]),
        signature_scheme: SignatureScheme::Raw,
        passkeys: BoundedList::new(vec![passkey; MAX_PASSKEYS]).unwrap(),
    }
}

#[test]
fn the_longest_reply_of_every_batchable_command_is_within_its_limit_and_close_to_it() {
    assert_longest::<Hello>(&TaHello { wire_version: 255, max_frame: u32::MAX, max_reply: u32::MAX }, 0);
    // Lengths of two bytes, where the limit reserves three.
    assert_longest::<Echo>(&Echoed { bytes: Bounded::new(vec![0xff; MAX_ECHO]).unwrap() }, 1);
    assert_longest::<GetWalletInfo>(&longest_wallet(), 1 + MAX_PASSKEYS);
    let version = Bounded::new("9".repeat(32)).unwrap();
    assert_longest::<GetVersion>(&TaVersion { tee_id: TeeId([0xff; 32]), version, measurement: Hash([0xff; 32]) }, 0);
    let (user_op_hash, address) = (UserOpHash([0xff; 32]), Address([0xff; 20]));
    let signed = SignMessageReply { digest: Hash([0xff; 32]), owner: address, signature: SIGNATURE };
    assert_longest::<SignMessage>(&signed, 0);
    assert_longest::<SignWithHybridKey>(&SignReply { user_op_hash, owner: address, signature: SIGNATURE }, 0);
    let reply = SponsorReply {
        user_op_hash,
        paymaster_signer: address,
        paymaster_signature: SIGNATURE,
        account_signature: Some(SIGNATURE),
    };
    assert_longest::<Sponsor>(&reply, 0);
    let batchable = Opcode::ALL.iter().filter(|opcode| opcode.batched_reply_limit().is_some());
    assert_eq!(batchable.count(), 7, "each one is measured above");
}

#[test]
fn replies_within_their_limits_fit_the_batch_s_limit() {
    let look_up = frame::encode_request(&GetWalletInfo { account_id: "a".parse().unwrap() }).unwrap();
    let wallet = frame::encode_reply::<GetWalletInfo>(&longest_wallet()).unwrap();
    let most = MAX_REPLY / Opcode::GetWalletInfo.batched_reply_limit().unwrap();
    let refusals = MAX_BATCH - most;
    let frames = [vec![look_up; most], vec![Vec::new(); refusals]].concat();
    let frames = frames.into_iter().map(|frame| Bounded::new(frame).unwrap()).collect();
    let batch = Batch { frames: BoundedList::new(frames).unwrap() };
    let replies = [vec![wallet; most], vec![frame::encode_refusal(proto::Status::Malformed); refusals]].concat();
    let replies = replies.into_iter().map(|reply| Bounded::new(reply).unwrap()).collect();
    let reply = frame::encode_reply::<Batch>(&BatchReply { replies: BoundedList::new(replies).unwrap() }).unwrap();
    assert!(reply.len() <= frame::batch_reply_limit(&batch) && frame::batch_reply_limit(&batch) <= MAX_REPLY);
}
