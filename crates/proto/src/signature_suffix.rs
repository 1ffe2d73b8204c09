//! The paymaster's signature outside the hash (EntryPoint v0.9): `paymasterAndData` ends with the
//! signature, its length as `uint16`, and a magic value.

/// The end of `paymasterAndData` if a signature outside the hash precedes it:
/// keccak256("PaymasterSignature")\[..8\].
pub const MAGIC: [u8; 8] = [0x22, 0xe3, 0x25, 0xa2, 0x97, 0x43, 0x96, 0x56];
/// Length of the length field and magic, in bytes.
pub const LENGTH: usize = 2 + MAGIC.len();

/// Splits `paymasterAndData` into the hashed part and the suffix's signature; `None` if there is no
/// suffix.
pub fn split(paymaster_and_data: &[u8]) -> Option<(&[u8], &[u8])> {
    const FIXED_FIELDS: usize = 20 + 16 + 16;
    let without_magic = paymaster_and_data.strip_suffix(&MAGIC)?;
    let (rest, length) = without_magic.split_at_checked(without_magic.len().checked_sub(2)?)?;
    let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
    let signed = rest.len().checked_sub(length).filter(|signed| length > 0 && *signed >= FIXED_FIELDS)?;
    rest.split_at_checked(signed)
}
