//! Parse errors of value types.

use core::fmt;

/// Why a text is not a value of its type: one error for the `FromStr` of every value type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// It does not start with `0x`.
    NoPrefix,
    /// Not exactly this many bytes in hex.
    NotBytes {
        /// Bytes of the type.
        expected: usize,
    },
    /// Over the bound of the type.
    TooManyBytes {
        /// Bytes allowed.
        limit: usize,
    },
    /// An odd number of hex digits.
    OddDigits,
    /// A character that is not a hex digit.
    NotHex {
        /// The character.
        found: char,
        /// Bytes before it, not counting `0x`.
        offset: usize,
    },
    /// Not a hex quantity.
    NotQuantity,
    /// A quantity that does not fit into the type.
    QuantityTooLarge {
        /// Bits of the type.
        bits: usize,
    },
    /// Not a passkey's public key.
    NotPublicKey,
    /// Not an account id.
    NotAccountId,
    /// Not one of the accepted words.
    NotOneOf {
        /// The accepted words, separated by commas.
        expected: &'static str,
    },
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPrefix => f.write_str("expected hex starting with 0x"),
            Self::NotBytes { expected } => write!(f, "expected {expected} bytes in hex"),
            Self::TooManyBytes { limit } => write!(f, "more than {limit} bytes"),
            Self::OddDigits => f.write_str("an odd number of hex digits"),
            Self::NotHex { found, offset } => write!(f, "expected a hex digit, found {found:?} at offset {offset}"),
            Self::NotQuantity => f.write_str("expected a quantity in hex"),
            Self::QuantityTooLarge { bits } => {
                write!(f, "expected a quantity of at most {bits} bits in hex")
            }
            Self::NotPublicKey => f.write_str("expected 65 bytes in hex, 04 and two coordinates"),
            Self::NotAccountId => f.write_str("an account id has 1 to 128 characters of A-Z a-z 0-9 _ . : @ -"),
            Self::NotOneOf { expected } => write!(f, "expected one of {expected}"),
        }
    }
}

impl core::error::Error for ParseError {}
