//! Invitations: what is signed, and the text that carries it.

use proto::json::invitation::{Invitation, SignedInvitation};
use proto::primitives::keccak256;
use proto::{Signature, TeeId};

const INVITATION: Invitation =
    Invitation { tee_id: TeeId([1; 32]), expires_at: 1_800_000_000, max_uses: 3, nonce: [7; 32] };

#[test]
fn the_digest_is_that_of_abi_encode() {
    let mut encoded = keccak256("SuperRelay account invitation v1").0.to_vec();
    encoded.extend([1; 32]);
    encoded.extend([0; 24]);
    encoded.extend(1_800_000_000_u64.to_be_bytes());
    encoded.extend([0; 28]);
    encoded.extend(3_u32.to_be_bytes());
    encoded.extend([7; 32]);
    assert_eq!(INVITATION.digest(), keccak256(encoded));
}

#[test]
fn only_the_exact_text_is_parsed() {
    let signed = SignedInvitation { invitation: INVITATION, signature: Signature { r: [2; 32], s: [3; 32], v: 27 } };
    let text = signed.to_string();
    assert!(text.starts_with("inv_AQEB"), "{text}");
    assert_eq!(text.parse(), Ok(signed));
    for other in ["", "inv_", &text[4..], &text[..text.len() - 2], &format!("{text}AA"), &text.replace('A', "+")] {
        let problem = other.parse::<SignedInvitation>().unwrap_err();
        assert!(!problem.is_empty(), "{other}");
    }
}
