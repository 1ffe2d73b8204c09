//! A host that changes the frame while the trusted application reads it. The frame is copied once,
//! so the bytes checked are the bytes signed: every reply is one that an unchanging frame could
//! get.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread;

use optee_teec::{Param, ParamType, raw};
use proto::command::{
    AuthorizeSigner, CreateHybridAccount, Request, RevokeSigner, SecurityState, SignatureScheme, Sponsor,
};
use proto::{EntryPointVersion, Permissions, Status, TeeId, frame};

use crate::fixtures::{ACCOUNT, admin, passkey, relay, state};
use crate::rules;
use crate::support::EthKey;
use crate::support::requests::{Draft, sponsor};
use crate::support::world::{self, no_signature, provision, signed};
use crate::tee::{HANDLE_FRAME, Tee};

const READ_TWICE: u32 = 4;
/// The minimum for every race.
const ROUNDS: u32 = 600;

pub fn run(tee: &mut Tee) {
    set_up(tee);
    rules!(
        tee,
        a_frame_does_change_between_two_reads,
        an_operation_with_a_byte_that_changes_is_the_approved_one_or_refused,
        two_alternating_approved_operations_are_never_mixed,
        an_admin_command_whose_permissions_change_grants_what_was_signed,
    );
}

fn set_up(tee: &mut Tee) {
    let tee_id = state(tee).tee_id;
    tee.call(&signed(provision(tee_id, admin().address(), 1), &admin())).unwrap();
    tee.call(&authorize(tee_id, &relay(), Permissions::SPONSOR, 2)).unwrap();
    let (account_id, signature_scheme) = (ACCOUNT.parse().unwrap(), SignatureScheme::Eip191);
    tee.call(&CreateHybridAccount { account_id, signature_scheme, registration: passkey().register() }).unwrap();
}

/// Otherwise the tests below would pass merely because the host is too slow.
fn a_frame_does_change_between_two_reads(tee: &mut Tee) {
    let [_, changed] =
        Race::new(two_approved()).run(|shared| usize::from(tee.invoke(READ_TWICE, shared).unwrap() == [1]));
    println!("{changed} frames changed between two reads");
}

fn an_operation_with_a_byte_that_changes_is_the_approved_one_or_refused(tee: &mut Tee) {
    type Change = (&'static str, fn(&mut Sponsor));
    let changes: [Change; 5] = [
        ("sender", |command| command.op.sender.0[19] ^= 1),
        ("call data", |command| command.op.call_data = proto::Bounded::new(vec![0xb6, 0x1d, 0, 0xff]).unwrap()),
        ("gas", |command| command.op.call_gas_limit ^= 1),
        ("end of the window", |command| command.terms.valid_until ^= 1),
        ("account", |command| command.account_id = "alicf".parse().unwrap()),
    ];
    for (what, change) in changes {
        let honest = approved(1);
        let mut changed = honest.clone();
        change(&mut changed);
        let frames = [encoded(&honest), encoded(&changed)];
        assert_eq!(frames[0].iter().zip(&frames[1]).filter(|(a, b)| a != b).count(), 1, "one byte");
        let replies = frames.each_ref().map(|frame| tee.handle(frame));
        assert!(is_ok(&replies[0]) && !is_ok(&replies[1]));
        let [signed, refused] = Race::new(frames).run(|shared| {
            let reply = tee.invoke(HANDLE_FRAME, shared).unwrap();
            replies.iter().position(|expected| *expected == reply).expect("the reply to neither frame")
        });
        println!("{signed} signed, {refused} refused: {what}");
    }
}

fn two_alternating_approved_operations_are_never_mixed(tee: &mut Tee) {
    let frames = two_approved();
    let replies = frames.each_ref().map(|frame| tee.handle(frame));
    assert!(replies.iter().all(|reply| is_ok(reply)) && replies[0] != replies[1]);
    let [first, second, mixed] = Race::new(frames).run(|shared| {
        let reply = tee.invoke(HANDLE_FRAME, shared).unwrap();
        let whole = replies.iter().position(|expected| *expected == reply);
        assert!(whole.is_some() || !is_ok(&reply), "signed what nobody approved");
        whole.unwrap_or(2)
    });
    println!("{first} were the first, {second} the second, {mixed} a mixture and refused");
}

fn an_admin_command_whose_permissions_change_grants_what_was_signed(tee: &mut Tee) {
    let (signer, mut granted, mut refused) = (EthKey::numbered(0x33), 0, 0);
    while granted < 10 || refused < 10 {
        let SecurityState { tee_id, counter, .. } = state(tee);
        let counter = counter + 1;
        let honest = authorize(tee_id, &signer, Permissions::SPONSOR, counter);
        let more = AuthorizeSigner { permissions: Permissions::ALL, ..honest };
        let race = Race::new([encoded(&honest), encoded(&more)]);
        let reply = race.against(|shared| tee.invoke(HANDLE_FRAME, shared).unwrap());
        let signers = state(tee).provisioned.unwrap().signers;
        let now = signers.iter().find(|other| other.address == signer.address());
        if is_ok(&reply) {
            granted += 1;
            assert_eq!(now.unwrap().permissions, Permissions::SPONSOR);
            let (record, authorised_as) = (counter, signer.address());
            let signature = no_signature();
            let revoke = RevokeSigner { tee_id, record, authorised_as, counter: counter + 1, signature };
            tee.call(&signed(revoke, &admin())).unwrap();
        } else {
            refused += 1;
            assert_eq!(reply, frame::encode_refusal(Status::AdminSignatureInvalid));
            assert!(now.is_none() && state(tee).counter + 1 == counter);
        }
        assert!(granted + refused < 1000, "{granted} granted, {refused} refused");
    }
    println!("{granted} granted, {refused} refused");
}

fn approved(variant: u8) -> Sponsor {
    sponsor(EntryPointVersion::V07, ACCOUNT, variant).approved(&passkey(), &relay())
}

/// Two frames of equal length: passkey signatures vary in length.
fn two_approved() -> [Vec<u8>; 2] {
    let first = encoded(&approved(1));
    let others = (1..80).map(|number| encoded(&approved(1 + 3 * number)));
    let second = others.into_iter().find(|second| second.len() == first.len()).unwrap();
    [first, second]
}

fn authorize(tee_id: TeeId, signer: &EthKey, permissions: Permissions, counter: u64) -> AuthorizeSigner {
    signed(world::authorize(tee_id, signer.address(), permissions, counter), &admin())
}

fn encoded<R: Request>(request: &R) -> Vec<u8> {
    frame::encode_request(request).unwrap()
}

fn is_ok(reply: &[u8]) -> bool {
    reply[..4] == Status::Ok.code().to_be_bytes()
}

/// Two frames of equal length that alternate in the same memory.
struct Race {
    frames: [Vec<u8>; 2],
    memory: Vec<AtomicU8>,
}

impl Race {
    fn new(frames: [Vec<u8>; 2]) -> Self {
        let memory = frames[0].iter().map(|byte| AtomicU8::new(*byte)).collect();
        assert_eq!(frames[0].len(), frames[1].len());
        Self { frames, memory }
    }

    /// Counts the outcomes of [`ROUNDS`] calls, or of more until each outcome occurred often
    /// enough.
    fn run<const OUTCOMES: usize>(&self, mut call: impl FnMut(SharedFrame<'_>) -> usize) -> [u32; OUTCOMES] {
        let mut met = [0; OUTCOMES];
        self.against(|_| {
            for round in 1.. {
                met[call(SharedFrame(&self.memory))] += 1;
                if round >= ROUNDS && met.iter().all(|times| *times >= ROUNDS / 100) {
                    break;
                }
                assert!(round < 20 * ROUNDS, "the host changed too little: {met:?}");
            }
        });
        met
    }

    /// Makes the call while another thread changes the memory.
    fn against<T>(&self, call: impl FnOnce(SharedFrame<'_>) -> T) -> T {
        let (begun, over) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| self.take_turns(&begun, &over));
            let _end = AtEnd(&over);
            while !begun.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            call(SharedFrame(&self.memory))
        })
    }

    fn take_turns(&self, begun: &AtomicBool, over: &AtomicBool) {
        // Sometimes a frame stays unchanged long enough to be copied.
        for pause in (0..4000_u32).step_by(37).cycle() {
            for frame in &self.frames {
                for (to, from) in self.memory.iter().zip(frame) {
                    to.store(*from, Ordering::Relaxed);
                }
                (0..pause).for_each(|_| spin_loop());
            }
            begun.store(true, Ordering::Relaxed);
            if over.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

/// Signals the end, also after a panic.
struct AtEnd<'a>(&'a AtomicBool);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Memory passed to OP-TEE directly, while others write to it.
struct SharedFrame<'a>(&'a [AtomicU8]);

impl Param for SharedFrame<'_> {
    fn to_raw(&mut self) -> raw::TEEC_Parameter {
        let buffer = self.0.as_ptr().cast_mut().cast();
        raw::TEEC_Parameter { tmpref: raw::TEEC_TempMemoryReference { buffer, size: self.0.len() } }
    }

    fn param_type(&self) -> ParamType {
        ParamType::MemrefTempInput
    }

    /// Inputs return nothing.
    fn from_raw(_: raw::TEEC_Parameter, _: ParamType) -> Self {
        Self(&[])
    }
}
