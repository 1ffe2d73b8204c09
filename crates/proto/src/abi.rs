//! ABI words (Solidity ABI specification, "Formal Specification of the Encoding"), limited to what
//! our digests need.

use alloc::vec::Vec;

use crate::number::Uint256;
use crate::primitives::{Address, Hash, TeeId, keccak256};

/// A value that fills exactly one 32-byte ABI word.
pub trait Word {
    /// The word, big-endian, left-padded for integers and addresses.
    fn word(&self) -> [u8; 32];
}

impl Word for Hash {
    fn word(&self) -> [u8; 32] {
        self.0
    }
}

impl Word for TeeId {
    fn word(&self) -> [u8; 32] {
        self.0
    }
}

impl Word for Uint256 {
    fn word(&self) -> [u8; 32] {
        self.0
    }
}

impl Word for Address {
    fn word(&self) -> [u8; 32] {
        let mut word = [0; 32];
        word[12..].copy_from_slice(&self.0);
        word
    }
}

impl Word for u128 {
    fn word(&self) -> [u8; 32] {
        Uint256::from(*self).0
    }
}

impl Word for u64 {
    fn word(&self) -> [u8; 32] {
        u128::from(*self).word()
    }
}

impl Word for u32 {
    fn word(&self) -> [u8; 32] {
        u128::from(*self).word()
    }
}

impl Word for u16 {
    fn word(&self) -> [u8; 32] {
        u128::from(*self).word()
    }
}

/// Two 128-bit values in one word, the first in the high half (`accountGasLimits` and `gasFees` of
/// v0.7).
pub struct Packed(pub u128, pub u128);

impl Word for Packed {
    fn word(&self) -> [u8; 32] {
        let mut word = [0; 32];
        word[..16].copy_from_slice(&self.0.to_be_bytes());
        word[16..].copy_from_slice(&self.1.to_be_bytes());
        word
    }
}

/// `keccak256(abi.encode(...))` of words only.
pub fn hash_words(words: &[&dyn Word]) -> Hash {
    let encoded: Vec<u8> = words.iter().flat_map(|word| word.word()).collect();
    keccak256(encoded)
}

/// One argument of `abi.encode`: a static word, or `bytes`/`string` that goes to the tail.
pub enum Argument<'a> {
    /// A static argument.
    Static(&'a dyn Word),
    /// A dynamic argument.
    Dynamic(&'a [u8]),
}

/// `abi.encode(...)` of words and byte strings.
pub fn encode(arguments: &[Argument<'_>]) -> Vec<u8> {
    let head_length = 32 * arguments.len();
    let (mut head, mut tail) = (Vec::with_capacity(head_length), Vec::new());
    for argument in arguments {
        match argument {
            Argument::Static(word) => head.extend(word.word()),
            Argument::Dynamic(bytes) => {
                head.extend(((head_length + tail.len()) as u64).word());
                tail.extend((bytes.len() as u64).word());
                tail.extend_from_slice(bytes);
                tail.resize(tail.len().next_multiple_of(32), 0);
            }
        }
    }
    head.append(&mut tail);
    head
}

/// The type of an EIP-712 domain with name, version, chain and contract.
pub const DOMAIN_TYPE: &str = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
/// The same with a salt.
pub const DOMAIN_TYPE_WITH_SALT: &str =
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)";

/// An EIP-712 domain with name, version, chain and contract (EIP-712, "Definition of
/// domainSeparator").
pub fn domain_separator(name: &str, version: &str, chain_id: u64, contract: &Address) -> Hash {
    hash_words(&[&keccak256(DOMAIN_TYPE), &keccak256(name), &keccak256(version), &chain_id, contract])
}

/// `keccak256("\x19\x01" ‖ domainSeparator ‖ structHash)` (EIP-712).
pub fn typed_data_hash(domain_separator: &Hash, struct_hash: &Hash) -> Hash {
    crate::primitives::keccak256_concat(&[b"\x19\x01", &domain_separator.0, &struct_hash.0])
}
