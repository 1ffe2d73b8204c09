//! Decodes, and encodes again: only the canonical encoding is unchanged, so that no other parser
//! can read the bytes differently.

use alloy_sol_types::abi::TokenSeq;
use alloy_sol_types::{SolCall, SolType, SolValue};

use super::NotUnderstood;

/// A call with its selector.
pub(super) fn decode<C: SolCall>(call_data: &[u8]) -> Result<C, NotUnderstood> {
    let call = C::abi_decode_validate(call_data).map_err(|_| NotUnderstood)?;
    if call.abi_encode() == call_data { Ok(call) } else { Err(NotUnderstood) }
}

/// The arguments of `abi.encode`.
pub(super) fn decode_arguments<V>(encoded: &[u8]) -> Result<V, NotUnderstood>
where
    V: SolValue + From<<V::SolType as SolType>::RustType>,
    for<'t> <V::SolType as SolType>::Token<'t>: TokenSeq<'t>,
{
    let value = V::abi_decode_params_validate(encoded).map_err(|_| NotUnderstood)?;
    if value.abi_encode_params() == encoded { Ok(value) } else { Err(NotUnderstood) }
}
