//! Frames: `version u8 ‖ command u16 ‖ payload`, replies: `status u32 ‖ payload`; payloads are
//! postcard (protocol, section 6).

use alloc::vec::Vec;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::command::{Batch, Opcode, Request};
use crate::limits::{MAX_FRAME, MAX_REPLY};
use crate::status::Status;

/// The wire version this crate speaks.
pub const VERSION: u8 = 3;

/// Why a reply cannot be decoded. A status other than `Ok` is not an error here: it is the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidReply {
    /// Shorter than a status, longer than the limit, or with a payload that does not parse.
    Malformed,
    /// A status that this version does not know.
    UnknownStatus(u32),
}

impl core::fmt::Display for InvalidReply {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Malformed => f.write_str("the reply does not parse"),
            Self::UnknownStatus(code) => write!(f, "unknown status {code}"),
        }
    }
}

impl core::error::Error for InvalidReply {}

/// Encodes the frame of a request.
///
/// # Errors
/// `TooLarge` when it is over the limit.
pub fn encode_request<R: Request>(request: &R) -> Result<Vec<u8>, Status> {
    let command = R::OPCODE as u16;
    let [high, low] = command.to_be_bytes();
    let frame = encode(&[VERSION, high, low], request)?;
    if frame.len() > MAX_FRAME { Err(Status::TooLarge) } else { Ok(frame) }
}

/// Splits a frame into its opcode and payload, after checking length and version.
pub fn split_request(frame: &[u8]) -> Result<(Opcode, &[u8]), Status> {
    if frame.len() > MAX_FRAME {
        return Err(Status::TooLarge);
    }
    let [version, high, low, payload @ ..] = frame else {
        return Err(Status::Malformed);
    };
    if *version != VERSION {
        return Err(Status::UnsupportedVersion);
    }
    let opcode = Opcode::from_code(u16::from_be_bytes([*high, *low])).ok_or(Status::UnknownCommand)?;
    Ok((opcode, payload))
}

/// Parses the payload of a request, to the last byte.
pub fn decode_payload<R: Request>(payload: &[u8]) -> Result<R, Status> {
    decode(payload).ok_or(Status::Malformed)
}

/// Length of the batch's longest possible reply, in bytes, whatever its frames hold.
#[must_use]
pub fn batch_reply_limit(batch: &Batch) -> usize {
    Batch::reply_limit_of(batch.frames.iter().map(|frame| split_request(frame).ok().map(|(opcode, _)| opcode)))
}

/// Encodes the reply to a request.
pub fn encode_reply<R: Request>(reply: &R::Reply) -> Result<Vec<u8>, Status> {
    let bytes = encode(&Status::Ok.code().to_be_bytes(), reply)?;
    if bytes.len() > MAX_REPLY { Err(Status::TooLarge) } else { Ok(bytes) }
}

/// Encodes the refusal of a request.
#[must_use]
pub fn encode_refusal(status: Status) -> Vec<u8> {
    status.code().to_be_bytes().to_vec()
}

/// Decodes the reply to a request of type `R`.
pub fn decode_reply<R: Request>(reply: &[u8]) -> Result<Result<R::Reply, Status>, InvalidReply> {
    if reply.len() > MAX_REPLY {
        return Err(InvalidReply::Malformed);
    }
    let (code, payload) = reply.split_first_chunk().ok_or(InvalidReply::Malformed)?;
    let code = u32::from_be_bytes(*code);
    match Status::from_code(code).ok_or(InvalidReply::UnknownStatus(code))? {
        Status::Ok => decode(payload).map(Ok).ok_or(InvalidReply::Malformed),
        _ if !payload.is_empty() => Err(InvalidReply::Malformed),
        refusal => Ok(Err(refusal)),
    }
}

/// Encodes a sealed record, with the same codec as the wire.
pub fn encode_record<T: Serialize>(record: &T) -> Result<Vec<u8>, Status> {
    encode(&[], record)
}

/// Decodes a sealed record, to the last byte.
pub fn decode_record<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Status> {
    decode(bytes).ok_or(Status::StorageCorrupt)
}

fn encode<T: Serialize>(header: &[u8], value: &T) -> Result<Vec<u8>, Status> {
    // Computes the exact size first: a growing buffer leaves copies of sealed secrets in memory
    // that nobody wipes.
    let length = postcard::experimental::serialized_size(value).map_err(|_| Status::TooLarge)?;
    let mut bytes = Vec::with_capacity(header.len().saturating_add(length));
    bytes.extend_from_slice(header);
    postcard::to_extend(value, bytes).map_err(|_| Status::TooLarge)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Some(value),
        _ => None,
    }
}
