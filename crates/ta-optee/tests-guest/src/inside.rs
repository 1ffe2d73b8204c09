//! Internal figures of the trusted application: its bare cryptography, and its free memory. Only a
//! build for tests reports them.

use std::time::Instant;

use optee_teec::ParamTmpRef;
use proto::{EntryPointVersion, frame};

use crate::fixtures::{ACCOUNT, passkey, relay};
use crate::support::requests::{Draft, sponsor};
use crate::tee::Tee;
use crate::timings::tell;

const FLOOR: u32 = 5;
const ROOM: u32 = 6;

/// The durations of the cryptographic parts of a sponsorship.
pub fn floor(tee: &mut Tee) {
    let command = sponsor(EntryPointVersion::V07, ACCOUNT, 1).approved(&passkey(), &relay());
    let command = frame::encode_request(&command).unwrap();
    let parts = [
        ("inside: a P-256 verification", 1, once(tee, b'v', &[])),
        ("inside: a secp256k1 recovery", 1, once(tee, b'r', &[])),
        ("inside: a secp256k1 signature", 2, once(tee, b's', &[])),
        ("inside: every hash of a sponsorship", 1, once(tee, b'h', &command)),
    ];
    let mut sum = 0.0;
    for (what, times, took) in parts {
        sum += took * f64::from(times);
        tell(what, took, took);
    }
    tell("inside: the cryptography of a sponsorship, two signatures", sum, sum);
}

/// Milliseconds of one operation, averaged over many in one call.
fn once(tee: &mut Tee, kind: u8, command: &[u8]) -> f64 {
    const TIMES: u16 = 20;
    let mut call = |times: u16| {
        let frame = [&[kind][..], &times.to_be_bytes(), command].concat();
        let mut took: Vec<f64> = (0..15)
            .map(|_| {
                let started = Instant::now();
                tee.invoke(FLOOR, ParamTmpRef::new_input(&frame)).expect("is it built for tests?");
                started.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        took.sort_by(f64::total_cmp);
        took[took.len() / 2]
    };
    (call(TIMES) - call(0)) / f64::from(TIMES)
}

/// Size of its largest free block of memory, in bytes.
pub fn room(tee: &mut Tee) {
    let reply = tee.invoke(ROOM, ParamTmpRef::new_input(&[0])).expect("is it built for tests?");
    println!("room for {} bytes", u64::from_be_bytes(reply.try_into().unwrap()));
}
