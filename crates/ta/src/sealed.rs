//! Sealed records: every one carries its own name and layout, so that none is taken for another.

use alloc::vec::Vec;

use proto::{Status, frame};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::ports::{RecordName, SecureStore};

/// The layout of the records; a record of another layout is refused, never guessed at.
const LAYOUT: u8 = 2;

/// Reads a record; `StorageCorrupt` if it is not the one of that name, in that layout, to the last byte.
pub(crate) fn read<T: DeserializeOwned>(store: &impl SecureStore, name: &RecordName) -> Result<Option<T>, Status> {
    let Some(bytes) = store.read(name)? else {
        return Ok(None);
    };
    let (layout, sealed_as, record): (u8, RecordName, T) = frame::decode_record(&bytes)?;
    if layout != LAYOUT || sealed_as != *name {
        return Err(Status::StorageCorrupt);
    }
    Ok(Some(record))
}

/// Writes a record in place of the one before.
pub(crate) fn write<T: Serialize>(store: &mut impl SecureStore, name: &RecordName, record: &T) -> Result<(), Status> {
    let bytes: Zeroizing<Vec<u8>> = frame::encode_record(&(LAYOUT, *name, record))?.into();
    Ok(store.write(name, &bytes)?)
}
