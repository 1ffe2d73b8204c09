//! Recovery of the signer of a secp256k1 signature.

use proto::{Address, Hash, Signature};
use secp256k1::Message;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};

/// Half the order of the curve, rounded down: the largest low s. Big-endian.
const LARGEST_LOW_S: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e,
    0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// The address whose key signed `hash`. `None` if `v` is not 27 or 28, `r` or `s` is not between 1
/// and the order of the curve, `s` is in the upper half of that, or there is no matching point.
#[must_use]
pub fn recover(hash: &Hash, signature: &Signature) -> Option<Address> {
    let Signature { r, s, v } = signature;
    let parity = match v {
        27 => RecoveryId::Zero,
        28 => RecoveryId::One,
        _ => return None,
    };
    if *s > LARGEST_LOW_S {
        return None;
    }
    let mut compact = [0; 64];
    compact[..32].copy_from_slice(r);
    compact[32..].copy_from_slice(s);
    let parsed = RecoverableSignature::from_compact(&compact, parity).ok()?;
    let key = parsed.recover_ecdsa(Message::from_digest(hash.0)).ok()?;
    let coordinates = key.serialize_uncompressed();
    Some(Address::from_public_key(coordinates[1..].try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use k256::ecdsa::{RecoveryId as PortableId, Signature as Portable, SigningKey, VerifyingKey};
    use proptest::prelude::*;

    use super::*;

    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae,
        0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
    ];

    /// As in `crates/ta/src/recover.rs`.
    fn recover_in_the_ta(hash: &Hash, signature: &Signature) -> Option<Address> {
        let recovery = match signature.v {
            27 => PortableId::new(false, false),
            28 => PortableId::new(true, false),
            _ => return None,
        };
        let ecdsa = Portable::from_scalars(signature.r, signature.s).ok()?;
        if ecdsa.normalize_s() != ecdsa {
            return None;
        }
        let key = VerifyingKey::recover_from_prehash(&hash.0, &ecdsa, recovery).ok()?;
        Some(address(&key))
    }

    fn address(key: &VerifyingKey) -> Address {
        Address::from_public_key(key.to_sec1_point(false).as_bytes()[1..].try_into().unwrap())
    }

    fn sign(key: &SigningKey, hash: &[u8; 32]) -> Signature {
        let (signature, recovery) = key.sign_prehash_recoverable(hash);
        let (r, s) = signature.split_bytes();
        Signature { r: r.into(), s: s.into(), v: 27 + recovery.to_byte() }
    }

    /// The order of the curve minus a number.
    fn negated(s: &[u8; 32]) -> [u8; 32] {
        let (mut difference, mut borrow) = ([0; 32], 0);
        for index in (0..32).rev() {
            let digit = i16::from(ORDER[index]) - i16::from(s[index]) - borrow;
            borrow = i16::from(digit < 0);
            difference[index] = u8::try_from(digit + 256 * borrow).unwrap();
        }
        difference
    }

    fn neighbours(number: [u8; 32]) -> [[u8; 32]; 3] {
        let (mut below, mut above) = (number, number);
        below[31] -= 1;
        above[31] += 1;
        [below, number, above]
    }

    /// Numbers at the edges of what is accepted.
    fn edges() -> impl Strategy<Value = [u8; 32]> {
        let mut one = [0; 32];
        one[31] = 1;
        let numbers = [neighbours(one), neighbours(LARGEST_LOW_S), neighbours(ORDER)].concat();
        prop_oneof![proptest::sample::select(numbers), Just([0xff; 32]), any::<[u8; 32]>()]
    }

    proptest! {
        #[test]
        fn a_signature_is_recovered_as_the_trusted_application_recovers_it(secret: [u8; 32], hash: [u8; 32]) {
            let Ok(key) = SigningKey::from_slice(&secret) else { return Ok(()) };
            let signed = sign(&key, &hash);
            prop_assert_eq!(recover(&Hash(hash), &signed), Some(address(key.verifying_key())));
            // The other v, the other s, both, and every byte that can be v.
            for s in [signed.s, negated(&signed.s)] {
                for v in 0..=u8::MAX {
                    let other = Signature { s, v, ..signed };
                    prop_assert_eq!(recover(&Hash(hash), &other), recover_in_the_ta(&Hash(hash), &other));
                }
            }
        }

        #[test]
        fn numbers_at_the_edges_are_accepted_as_in_the_trusted_application(
            hash in edges(), r in edges(), s in edges(), v in 26_u8..30,
        ) {
            let (hash, signature) = (Hash(hash), Signature { r, s, v });
            prop_assert_eq!(recover(&hash, &signature), recover_in_the_ta(&hash, &signature));
        }
    }

    #[test]
    fn the_other_form_of_a_signature_has_no_signer() {
        let (key, hash) = (SigningKey::from_slice(&[7; 32]).unwrap(), [9; 32]);
        let signed = sign(&key, &hash);
        let other = Signature { s: negated(&signed.s), v: 55 - signed.v, ..signed };
        assert_eq!(recover(&Hash(hash), &signed), Some(address(key.verifying_key())));
        assert_eq!(recover(&Hash(hash), &other), None);
    }
}
