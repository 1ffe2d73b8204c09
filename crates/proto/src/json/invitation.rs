//! Leave to have accounts made, which a relay gives and a KMS takes. The trusted core knows nothing
//! of it.

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

/// Separates invitations from everything else that a relay key signs.
pub const INVITATION_DOMAIN: &str = "SuperRelay account invitation v1";
/// Seconds from now that an invitation may be good for: a KMS remembers its uses for so long.
pub const MAX_SECONDS: u64 = 7 * 86_400;
/// Accounts that one invitation may be for.
pub const MAX_USES: u32 = 1000;
/// Tells what it is, wherever it is pasted.
const PREFIX: &str = "inv_";

/// Leave to have accounts made in one TEE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The TEE that the accounts are made in.
    pub tee_id: TeeId,
    /// Unix seconds: good until then, inclusive.
    pub expires_at: u64,
    /// Accounts it is for, at least 1.
    pub max_uses: u32,
    /// Drawn at random: no two invitations are the same.
    pub nonce: [u8; 32],
}

/// An invitation and the signature of an authorised relay key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedInvitation {
    /// What is signed.
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
