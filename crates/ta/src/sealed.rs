//! Sealed records. Each carries its layout and its own name, so that no record is mistaken for
//! another. A record in the previous layout is read and upgraded
//! (docs/adr/0012-sealed-layouts-and-the-tee-id.md).

use alloc::vec;
use alloc::vec::Vec;

use proto::{Status, frame};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::ports::{RecordName, SecureStore};

/// The layout that is written.
const LAYOUT: u8 = 3;
/// The previous layout, which can still be read.
const OLDER_LAYOUT: u8 = 2;
/// The layout that is written, followed by fields that were added since.
const LAYOUT_WITH_ADDED: u8 = 4;

/// The fields of a record, in the current layout and the previous one.
pub(crate) trait Layouts: Serialize + DeserializeOwned {
    /// The fields in the previous layout; `Self` where they are the same.
    type Older: DeserializeOwned;
    /// The added fields; [`Nothing`] if there are none.
    type Added: Serialize + DeserializeOwned;

    /// The added fields, if the record has them. Without them its layout is the one before they
    /// were added.
    fn added(&self) -> Option<&Self::Added> {
        None
    }

    /// The record with the added fields.
    fn with(self, added: Self::Added) -> Self;
}

/// No added fields: it has no values, and no bytes parse to one.
#[derive(Serialize, Deserialize)]
pub(crate) enum Nothing {}

/// A record as found in the store.
pub(crate) enum Stored<T: Layouts> {
    /// In the current layout.
    Current(T),
    /// In the previous layout.
    Older(T::Older),
}

/// Reads a record without changing it.
///
/// # Errors
/// `StorageCorrupt` if it is not the record of that name, has an unknown layout, or does not parse
/// to the last byte.
pub(crate) fn read<T: Layouts>(store: &impl SecureStore, name: &RecordName) -> Result<Option<Stored<T>>, Status> {
    let Some(bytes) = store.read(name)? else {
        return Ok(None);
    };
    match bytes.first() {
        Some(&LAYOUT) => decode(&bytes, name).map(Stored::Current).map(Some),
        Some(&LAYOUT_WITH_ADDED) => {
            let (record, added): (T, T::Added) = decode(&bytes, name)?;
            Ok(Some(Stored::Current(record.with(added))))
        }
        Some(&OLDER_LAYOUT) => decode(&bytes, name).map(Stored::Older).map(Some),
        _ => Err(Status::StorageCorrupt),
    }
}

/// Reads a record. One in the previous layout is replaced by the same fields in the current one, in
/// a single write: whether or not that write fails, the record has the same meaning.
///
/// # Errors
/// Those of [`read`], and `StorageFailed` if the record cannot be replaced.
pub(crate) fn read_and_update<T>(store: &mut impl SecureStore, name: &RecordName) -> Result<Option<T>, Status>
where
    T: Layouts + From<T::Older>,
{
    match read::<T>(store, name)? {
        Some(Stored::Current(record)) => Ok(Some(record)),
        Some(Stored::Older(older)) => {
            let record = T::from(older);
            write(store, name, &record)?;
            Ok(Some(record))
        }
        None => Ok(None),
    }
}

/// Writes a record, replacing the previous one.
pub(crate) fn write<T: Layouts>(store: &mut impl SecureStore, name: &RecordName, record: &T) -> Result<(), Status> {
    Ok(store.write(name, &encode(name, record)?)?)
}

/// The length of a record as it is written.
pub(crate) fn length<T: Layouts>(name: &RecordName, record: &T) -> Result<usize, Status> {
    Ok(encode(name, record)?.len())
}

fn encode<T: Layouts>(name: &RecordName, record: &T) -> Result<Zeroizing<Vec<u8>>, Status> {
    let bytes = match record.added() {
        None => frame::encode_record(&(LAYOUT, *name, record)),
        Some(added) => frame::encode_record(&(LAYOUT_WITH_ADDED, *name, record, added)),
    };
    Ok(bytes?.into())
}

/// Writes that many bytes under a name of their own, in place of the previous ones: whatever was
/// used for it before is free again afterwards.
///
/// # Errors
/// `StorageFailed`: there is no room for them. No other record has changed.
pub(crate) fn check_room(store: &mut impl SecureStore, length: usize) -> Result<(), Status> {
    Ok(store.write(&RecordName::Room, &vec![0; length])?)
}

fn decode<T: DeserializeOwned>(bytes: &[u8], name: &RecordName) -> Result<T, Status> {
    let (_, sealed_as, record): (u8, RecordName, T) = frame::decode_record(bytes)?;
    (sealed_as == *name).then_some(record).ok_or(Status::StorageCorrupt)
}
