//! Authenticator data: a credential that is taken stands where WebAuthn puts it, its key in
//! canonical COSE.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::webauthn::AuthenticatorData;

const FIXED: usize = 32 + 1 + 4;
const AAGUID: usize = 16;

fuzz_target!(|bytes: &[u8]| {
    let Ok(data) = AuthenticatorData::parse(bytes) else {
        assert!(bytes.len() < FIXED);
        return;
    };
    let is_assertion = data.check_no_credential().is_ok();
    let Ok(credential) = data.credential() else { return };
    assert!(!is_assertion);
    let length = u16::try_from(credential.id.len()).expect("two bytes of length");
    let mut expected = bytes[..FIXED + AAGUID].to_vec();
    expected.extend(length.to_be_bytes());
    expected.extend(credential.id);
    // {1: 2, 3: -7, -1: 1, -2: x, -3: y} (RFC 9053, section 7.1.1)
    expected.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
    expected.extend(credential.public_key.x);
    expected.extend([0x22, 0x58, 0x20]);
    expected.extend(credential.public_key.y);
    assert!(bytes.starts_with(&expected));
});
