//! Sealed records: each carries its layout and its own name, so that none is taken for another. A
//! record of the layout before is read and brought up to date
//! (docs/adr/0012-sealed-layouts-and-the-tee-id.md).

use alloc::vec::Vec;

use proto::{Status, frame};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::ports::{RecordName, SecureStore};

/// The layout that is written.
const LAYOUT: u8 = 3;
/// The layout before it, which is read too.
const OLDER_LAYOUT: u8 = 2;

/// The fields of a record, in the layout that is written and in the one before.
pub(crate) trait Layouts: Serialize + DeserializeOwned {
    /// The fields in the layout before; `Self` where they are the same.
    type Older: DeserializeOwned;
}

/// A record as it was found.
pub(crate) enum Stored<T: Layouts> {
    /// In the layout that is written.
    Current(T),
    /// In the layout before.
    Older(T::Older),
}

/// Reads a record and leaves it as it is.
///
/// # Errors
/// `StorageCorrupt` if it is not the one of that name, in a layout that is known, to the last byte.
pub(crate) fn read<T: Layouts>(store: &impl SecureStore, name: &RecordName) -> Result<Option<Stored<T>>, Status> {
    let Some(bytes) = store.read(name)? else {
        return Ok(None);
    };
    match bytes.first() {
        Some(&LAYOUT) => decode(&bytes, name).map(Stored::Current).map(Some),
        Some(&OLDER_LAYOUT) => decode(&bytes, name).map(Stored::Older).map(Some),
        _ => Err(Status::StorageCorrupt),
    }
}

/// Reads a record. One of the layout before is replaced by the same fields in today's, in one
/// write: whether that write fails or not, the record says the same.
///
/// # Errors
/// As of [`read`], and `StorageFailed` if the record can't be replaced.
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

/// Writes a record in place of the one before.
pub(crate) fn write<T: Layouts>(store: &mut impl SecureStore, name: &RecordName, record: &T) -> Result<(), Status> {
    let bytes: Zeroizing<Vec<u8>> = frame::encode_record(&(LAYOUT, *name, record))?.into();
    Ok(store.write(name, &bytes)?)
}

fn decode<T: DeserializeOwned>(bytes: &[u8], name: &RecordName) -> Result<T, Status> {
    let (_, sealed_as, record): (u8, RecordName, T) = frame::decode_record(bytes)?;
    (sealed_as == *name).then_some(record).ok_or(Status::StorageCorrupt)
}
