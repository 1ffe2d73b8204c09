//! The bare cryptography of a sponsorship, for `make bench-optee`.

use core::hint::black_box;

use k256::ecdsa::{Signature as Secp256k1, SigningKey, VerifyingKey};
use p256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use p256::ecdsa::{Signature as P256, SigningKey as PasskeySigningKey, VerifyingKey as PasskeyKey};
use proto::command::Sponsor;
use proto::digest::personal_message_hash;
use proto::{Signature, frame, paymaster};

const DIGEST: [u8; 32] = [7; 32];

/// Repeats one operation as often as two bytes say (big endian): `v` a P-256 verification, from SEC
/// 1 and DER; `r` a secp256k1 recovery, `s` a signature; `h` every hash of the sponsorship whose
/// frame follows. `None` for anything else.
pub(super) fn run(bytes: &[u8]) -> Option<()> {
    let (&[kind, high, low], sponsorship) = bytes.split_first_chunk()?;
    let times = u16::from_be_bytes([high, low]);
    match kind {
        b'v' => verify(times),
        b'r' => recover(times),
        b's' => sign(times),
        b'h' => hash(times, sponsorship),
        _ => None,
    }
}

fn verify(times: u16) -> Option<()> {
    let key = PasskeySigningKey::from_slice(&[9; 32]).ok()?;
    let signature: P256 = key.sign_prehash(&DIGEST).ok()?;
    let (point, der) = (key.verifying_key().to_sec1_point(false), signature.to_der());
    for _ in 0..times {
        let key = PasskeyKey::from_sec1_bytes(black_box(point.as_bytes())).ok()?;
        key.verify_prehash(&DIGEST, &P256::from_der(black_box(der.as_bytes())).ok()?).ok()?;
    }
    Some(())
}

fn recover(times: u16) -> Option<()> {
    let (signature, recovery): (Secp256k1, _) = signer()?.sign_prehash_recoverable(&DIGEST);
    for _ in 0..times {
        black_box(VerifyingKey::recover_from_prehash(black_box(&DIGEST), &signature, recovery).ok()?);
    }
    Some(())
}

fn sign(times: u16) -> Option<()> {
    let key = signer()?;
    for _ in 0..times {
        black_box(key.sign_prehash_recoverable(black_box(&DIGEST)));
    }
    Some(())
}

/// The passkey's signed data except its two hashes, the relay's digest, the paymaster's digest, the
/// final hash, and the two that are signed as messages.
fn hash(times: u16, sponsorship: &[u8]) -> Option<()> {
    let (_, payload) = frame::split_request(sponsorship).ok()?;
    let command: Sponsor = frame::decode_payload(payload).ok()?;
    let unsigned = Signature { r: [1; 32], s: [1; 32], v: 27 };
    for _ in 0..times {
        let Sponsor { entry_point, op, terms, .. } = black_box(&command);
        let last = command.final_op(&unsigned).hash(entry_point);
        black_box((
            command.intent_hash(),
            personal_message_hash(&command.request_digest().0),
            paymaster::paymaster_digest(op, entry_point, terms),
            personal_message_hash(&last.0),
        ));
    }
    Some(())
}

fn signer() -> Option<SigningKey> {
    SigningKey::from_slice(&[5; 32]).ok()
}
