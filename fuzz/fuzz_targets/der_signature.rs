//! DER of P-256 signatures, as passkeys make them: each has one spelling (X.690, section 10).
#![no_main]

use libfuzzer_sys::fuzz_target;
use p256::ecdsa::Signature;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(signature) = Signature::from_der(bytes) {
        assert_eq!(signature.to_der().as_bytes(), bytes);
    }
});
