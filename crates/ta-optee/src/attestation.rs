//! OP-TEE's attestation, where it is built with `CFG_ATTESTATION_PTA`. It measures the memory of
//! the calling trusted application, and signs the measurement with the challenge, under a key that
//! it generated itself and keeps sealed.
//!
//! Format of the quote: u16 length and public exponent, u16 length and modulus (all big endian), 32
//! bytes of SHA-256 over code and constants in memory, and the signature over challenge and
//! measurement, as long as the modulus (RSASSA-PSS with SHA-256 and a salt of 32 bytes).
//!
//! Only the measurement of the caller's own memory is usable. OP-TEE signs the digest of a signed
//! file for every caller, the normal world included, with any nonce: it would attest to any
//! statement.

use alloc::vec::Vec;

use optee_utee::{ErrorKind, ParamIndex, TaSession, TaSessionBuilder, TeeParams, Uuid};
use proto::Hash;
use ta::{AttestError, Attestor};

/// `PTA_ATTESTATION_UUID`, 39800861-182a-4720-9b67-2bcd622bc0b5; its commands are in
/// `pta_attestation.h`.
const PTA: [u8; 16] = 0x3980_0861_182a_4720_9b67_2bcd_622b_c0b5_u128.to_be_bytes();
const GET_PUBKEY: u32 = 0;
const HASH_TA_MEMORY: u32 = 2;

/// Bytes. A key whose generation was interrupted is read back with an empty modulus.
const MIN_MODULUS: usize = 2048 / 8;
const MAX_MODULUS: usize = 4096 / 8;
const MAX_EXPONENT: usize = 8;
const HASH: usize = 32;

pub(crate) struct OpteeAttestation;

impl Attestor for OpteeAttestation {
    fn quote(&mut self, challenge: &Hash) -> Result<Option<Vec<u8>>, AttestError> {
        let Some(mut pta) = open()? else {
            return Ok(None);
        };
        let mut quote = public_key(&mut pta)?;
        let mut measurement = [0; HASH + MAX_MODULUS];
        let mut params = TeeParams::new()
            .with_memref_in(ParamIndex::Arg0, &challenge.0)
            .with_memref_out(ParamIndex::Arg1, &mut measurement);
        pta.invoke_command(HASH_TA_MEMORY, &mut params).map_err(|_| AttestError)?;
        quote.extend_from_slice(params[ParamIndex::Arg1].written_slice().ok_or(AttestError)?);
        Ok(Some(quote))
    }
}

/// Generates the key if there is none yet. That takes seconds, once per device, and is better done
/// while a session is opened than during a sponsorship. A failure here shows when a quote is
/// requested.
pub(crate) fn prepare() {
    if let Ok(Some(mut pta)) = open() {
        let _ = public_key(&mut pta);
    }
}

/// `None` where OP-TEE has no attestation.
fn open() -> Result<Option<TaSession>, AttestError> {
    match TaSessionBuilder::new(Uuid::from_bytes(PTA)).build() {
        Ok(session) => Ok(Some(session)),
        Err(error) if error.kind() == ErrorKind::ItemNotFound => Ok(None),
        Err(_) => Err(AttestError),
    }
}

/// Exponent and modulus as encoded in the quote.
fn public_key(pta: &mut TaSession) -> Result<Vec<u8>, AttestError> {
    let (mut exponent, mut modulus) = ([0; MAX_EXPONENT], [0; MAX_MODULUS]);
    let mut params = TeeParams::new()
        .with_memref_out(ParamIndex::Arg0, &mut exponent)
        .with_memref_out(ParamIndex::Arg1, &mut modulus)
        .with_value_out(ParamIndex::Arg2, 0, 0);
    pta.invoke_command(GET_PUBKEY, &mut params).map_err(|_| AttestError)?;
    let mut key = Vec::new();
    for (part, least) in [(ParamIndex::Arg0, 1), (ParamIndex::Arg1, MIN_MODULUS)] {
        let number = params[part].written_slice().filter(|number| number.len() >= least).ok_or(AttestError)?;
        key.extend_from_slice(&u16::try_from(number.len()).map_err(|_| AttestError)?.to_be_bytes());
        key.extend_from_slice(number);
    }
    Ok(key)
}
