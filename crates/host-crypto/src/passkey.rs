//! Verification of a passkey's signature (WebAuthn Level 3, section 7.2, steps 20 and 21).

use p256::Sec1Point;
use p256::ecdsa::{Signature, VerifyingKey};
use proto::command::{PasskeyAssertion, PasskeyPublicKey};
use proto::{Hash, Status};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use sha2::{Digest, Sha256};

/// The hash that a passkey signed: SHA-256(authenticatorData ‖ SHA-256(clientDataJSON)). An
/// assertion's signature can be changed to the other s by anyone, but its hash cannot.
#[must_use]
pub fn signed_hash(assertion: &PasskeyAssertion) -> Hash {
    Hash(Sha256::digest(signed_bytes(assertion)).into())
}

/// Checks the signature of an assertion. Authenticators do not normalise s, so a high one is
/// accepted.
///
/// # Errors
/// The [`Status`] with which the trusted application would refuse it.
pub fn check_assertion(assertion: &PasskeyAssertion, key: &PasskeyPublicKey) -> Result<(), Status> {
    let point = Sec1Point::from_affine_coordinates(&key.x.into(), &key.y.into(), false);
    // Parsed as in the trusted application, so that the same is called malformed.
    VerifyingKey::from_sec1_point(&point).map_err(|_| Status::PublicKeyInvalid)?;
    let signature = Signature::from_der(&assertion.signature).map_err(|_| Status::PasskeySignatureMalformed)?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point.as_bytes())
        .verify(&signed_bytes(assertion), &signature.to_bytes())
        .map_err(|_| Status::PasskeySignatureInvalid)
}

fn signed_bytes(assertion: &PasskeyAssertion) -> Vec<u8> {
    let client_data = Sha256::digest(&*assertion.client_data_json);
    [&*assertion.authenticator_data, &client_data[..]].concat()
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::SigningKey;
    use p256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
    use proptest::prelude::*;
    use proto::bytes::Bounded;

    use super::*;

    /// As in `crates/ta/src/webauthn/assertion.rs`.
    fn check_in_the_ta(assertion: &PasskeyAssertion, key: &PasskeyPublicKey) -> Result<(), Status> {
        let point = Sec1Point::from_affine_coordinates(&key.x.into(), &key.y.into(), false);
        let key = VerifyingKey::from_sec1_point(&point).map_err(|_| Status::PublicKeyInvalid)?;
        let signature = Signature::from_der(&assertion.signature).map_err(|_| Status::PasskeySignatureMalformed)?;
        key.verify_prehash(&signed_hash(assertion).0, &signature).map_err(|_| Status::PasskeySignatureInvalid)
    }

    fn public_key(key: &SigningKey) -> PasskeyPublicKey {
        let point = key.verifying_key().to_sec1_point(false);
        let (x, y) = (&point.as_bytes()[1..33], &point.as_bytes()[33..]);
        PasskeyPublicKey { x: x.try_into().unwrap(), y: y.try_into().unwrap() }
    }

    fn assertion(authenticator_data: &[u8], client_data_json: &[u8], signature: &[u8]) -> PasskeyAssertion {
        PasskeyAssertion {
            credential_id: Bounded::new(vec![1]).unwrap(),
            authenticator_data: Bounded::new(authenticator_data.to_vec()).unwrap(),
            client_data_json: Bounded::new(client_data_json.to_vec()).unwrap(),
            signature: Bounded::new(signature.to_vec()).unwrap(),
            intents: None,
        }
    }

    fn signed(key: &SigningKey, authenticator_data: &[u8], client_data_json: &[u8]) -> (PasskeyAssertion, Signature) {
        let unsigned = assertion(authenticator_data, client_data_json, &[]);
        let signature: Signature = key.sign_prehash(&signed_hash(&unsigned).0).unwrap();
        (assertion(authenticator_data, client_data_json, signature.to_der().as_bytes()), signature)
    }

    proptest! {
        #[test]
        fn a_passkey_is_verified_as_the_trusted_application_verifies_it(
            secret: [u8; 32], other: [u8; 32], data: [u8; 37], json in "[ -~]{0,200}", at: usize, bit in 0_u8..8,
        ) {
            let (Ok(key), Ok(stranger)) = (SigningKey::from_slice(&secret), SigningKey::from_slice(&other)) else {
                return Ok(());
            };
            let (valid, signature) = signed(&key, &data, json.as_bytes());
            prop_assert_eq!(check_assertion(&valid, &public_key(&key)), Ok(()));

            let (r, s) = (signature.r(), signature.s());
            let other_s = Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
            let other_s = assertion(&data, json.as_bytes(), other_s.to_der().as_bytes());
            prop_assert_eq!(check_assertion(&other_s, &public_key(&key)), Ok(()));

            let mut bent = valid.signature.to_vec();
            let at = at % bent.len();
            bent[at] ^= 1 << bit;
            let bent = assertion(&data, json.as_bytes(), &bent);
            for (assertion, key) in [(&valid, &stranger), (&other_s, &stranger), (&bent, &key)] {
                let key = public_key(key);
                let refused = check_assertion(assertion, &key);
                prop_assert!(refused.is_err());
                prop_assert_eq!(refused, check_in_the_ta(assertion, &key));
            }
        }
    }

    #[test]
    fn a_key_that_is_not_on_the_curve_is_named() {
        let key = SigningKey::from_slice(&[7; 32]).unwrap();
        let (valid, _) = signed(&key, &[1; 37], b"{}");
        let mut beside = public_key(&key);
        beside.y[31] ^= 1;
        assert_eq!(check_assertion(&valid, &beside), Err(Status::PublicKeyInvalid));
        assert_eq!(
            check_assertion(&valid, &PasskeyPublicKey { x: [0; 32], y: [0; 32] }),
            Err(Status::PublicKeyInvalid)
        );
    }
}
