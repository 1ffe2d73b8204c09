//! Decodes, and encodes again: only the canonical encoding is unchanged, so that no other parser
//! can read the bytes differently.

use alloy_sol_types::abi::{self, TokenSeq};
use alloy_sol_types::{SolCall, SolType, SolValue};

use super::NotUnderstood;

const SELECTOR: usize = 4;
const WORD: usize = 32;

/// A call with its selector.
pub(super) fn decode<C: SolCall>(call_data: &[u8]) -> Result<C, NotUnderstood> {
    check_length::<C::Token<'_>>(call_data.get(SELECTOR..).ok_or(NotUnderstood)?)?;
    let call = C::abi_decode_validate(call_data).map_err(|_| NotUnderstood)?;
    if call.abi_encode() == call_data { Ok(call) } else { Err(NotUnderstood) }
}

/// The arguments of `abi.encode`.
pub(super) fn decode_arguments<V>(encoded: &[u8]) -> Result<V, NotUnderstood>
where
    V: SolValue + From<<V::SolType as SolType>::RustType>,
    for<'t> <V::SolType as SolType>::Token<'t>: TokenSeq<'t>,
{
    check_length::<<V::SolType as SolType>::Token<'_>>(encoded)?;
    let value = V::abi_decode_params_validate(encoded).map_err(|_| NotUnderstood)?;
    if value.abi_encode_params() == encoded { Ok(value) } else { Err(NotUnderstood) }
}

/// Offsets may point to the same bytes many times, and decoding copies them each time. Tokens only
/// borrow them, and tell how long the canonical encoding is.
fn check_length<'de, T: TokenSeq<'de>>(encoded: &'de [u8]) -> Result<(), NotUnderstood> {
    let tokens: T = abi::decode_params(encoded).map_err(|_| NotUnderstood)?;
    // Of the two, a sequence has only one.
    let words = if T::IS_TUPLE { tokens.head_words().max(tokens.tail_words()) } else { tokens.total_words() };
    if words.checked_mul(WORD) == Some(encoded.len()) { Ok(()) } else { Err(NotUnderstood) }
}
