//! Invitations: permission to create accounts, issued by a relay and accepted by a KMS. The trusted
//! core does not use them.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use super::passkey::{base64url, to_base64url};
use crate::abi::hash_words;
use crate::primitives::{Hash, TeeId, keccak256};
use crate::signature::Signature;

/// Domain separator: distinguishes invitations from everything else that a relay key signs.
pub const INVITATION_DOMAIN: &str = "SuperRelay account invitation v1";
/// Maximum validity of an invitation, in seconds from now: a KMS remembers its uses for this long.
pub const MAX_SECONDS: u64 = 7 * 86_400;
/// Maximum number of accounts for one invitation.
pub const MAX_USES: u32 = 1000;
/// Identifies an invitation wherever it is pasted.
const PREFIX: &str = "inv_";

/// Permission to create accounts in one TEE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The TEE in which the accounts are created.
    pub tee_id: TeeId,
    /// Unix seconds; valid until then, inclusive.
    pub expires_at: u64,
    /// Number of accounts it may create, at least 1.
    pub max_uses: u32,
    /// Random, so that no two invitations are equal.
    pub nonce: [u8; 32],
}

/// An invitation and the signature of an authorised relay key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedInvitation {
    /// The signed fields.
    pub invitation: Invitation,
    /// EIP-191 over the digest.
    pub signature: Signature,
}

impl Invitation {
    /// `keccak256(abi.encode(bytes32 domain, bytes32 teeId, uint64 expiresAt, uint32 maxUses,
    /// bytes32 nonce))`, where `domain` is the hash of [`INVITATION_DOMAIN`]. A relay key signs it
    /// as `personal_sign` over the 32 bytes.
    #[must_use]
    pub fn digest(&self) -> Hash {
        let domain = keccak256(INVITATION_DOMAIN);
        hash_words(&[&domain, &self.tee_id, &self.expires_at, &self.max_uses, &Hash(self.nonce)])
    }
}

impl SignedInvitation {
    /// Bytes: teeId ‖ u64 expiresAt ‖ u32 maxUses ‖ nonce ‖ r ‖ s ‖ v.
    const LENGTH: usize = 32 + 8 + 4 + 32 + Signature::LENGTH;
}

/// `inv_` and the bytes in base64url.
impl fmt::Display for SignedInvitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Invitation { tee_id, expires_at, max_uses, nonce } = &self.invitation;
        let mut bytes = Vec::with_capacity(Self::LENGTH);
        bytes.extend(tee_id.0);
        bytes.extend(expires_at.to_be_bytes());
        bytes.extend(max_uses.to_be_bytes());
        bytes.extend(nonce);
        bytes.extend(self.signature.to_bytes());
        write!(f, "{PREFIX}{}", to_base64url(&bytes))
    }
}

impl Serialize for SignedInvitation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SignedInvitation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl FromStr for SignedInvitation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected {PREFIX} and {} bytes in base64url", Self::LENGTH);
        let bytes = base64url::<{ Self::LENGTH }>(text.strip_prefix(PREFIX).ok_or_else(expected)?)?;
        let (tee_id, rest) = bytes.split_first_chunk().ok_or_else(expected)?;
        let (expires_at, rest) = rest.split_first_chunk().ok_or_else(expected)?;
        let (max_uses, rest) = rest.split_first_chunk().ok_or_else(expected)?;
        let (nonce, signature) = rest.split_first_chunk().ok_or_else(expected)?;
        Ok(Self {
            invitation: Invitation {
                tee_id: TeeId(*tee_id),
                expires_at: u64::from_be_bytes(*expires_at),
                max_uses: u32::from_be_bytes(*max_uses),
                nonce: *nonce,
            },
            signature: Signature::try_from(signature).map_err(|_| expected())?,
        })
    }
}
