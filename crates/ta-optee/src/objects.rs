//! Persistent objects of OP-TEE's trusted storage (`TEE_STORAGE_PRIVATE`), encrypted and
//! authenticated for this trusted application only. Where OP-TEE is built with RPMB, it refuses an
//! older snapshot of them.
//!
//! One call replaces an object atomically: `TEE_CreatePersistentObject` with the overwrite flag
//! (GlobalPlatform TEE Internal Core API 1.3, section 5.7.2). OP-TEE writes the new object beside
//! the old one and then commits its directory, so after a crash one of them exists
//! (`ree_fs_create`, `set_name` in `core/tee/tee_ree_fs.c`).

use alloc::vec::Vec;

use optee_utee::{DataFlag, ErrorKind, GenericObject, ObjectStorageConstants, PersistentObject};
use ta::StoreError;
use zeroize::Zeroizing;

/// The object id of the monotonic counter. It differs from every record's, which has 33 bytes.
pub(crate) const COUNTER: &[u8] = b"counter";

/// The object, or `None` if OP-TEE's directory has no such object.
pub(crate) fn open(id: &[u8]) -> Result<Option<PersistentObject>, StoreError> {
    match PersistentObject::open(ObjectStorageConstants::Private, id, DataFlag::ACCESS_READ) {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.kind() == ErrorKind::ItemNotFound => Ok(None),
        Err(error) => Err(failure(error.kind())),
    }
}

/// The bytes of an object, or `None` if OP-TEE's directory has no such object.
pub(crate) fn read(id: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let Some(mut object) = open(id)? else {
        return Ok(None);
    };
    let length = object.info().map_err(|error| failure(error.kind()))?.data_size();
    let mut bytes = ta::buffer(length)?;
    bytes.resize(length, 0);
    let read = object.read(&mut bytes).map_err(|error| failure(error.kind()))?;
    bytes.truncate(usize::try_from(read).map_err(|_| StoreError::Failed)?);
    Ok(Some(bytes))
}

/// Replaces the object's bytes; durable once it returns, if the normal world does not lie about its
/// disk.
pub(crate) fn write(id: &[u8], bytes: &[u8]) -> Result<(), StoreError> {
    let flags = DataFlag::ACCESS_WRITE | DataFlag::OVERWRITE;
    PersistentObject::create(ObjectStorageConstants::Private, id, flags, None, bytes)
        .map(drop)
        .map_err(|error| failure(error.kind()))
}

/// Removes the object.
pub(crate) fn remove(id: &[u8]) -> Result<(), StoreError> {
    PersistentObject::open(ObjectStorageConstants::Private, id, DataFlag::ACCESS_WRITE_META)
        .and_then(PersistentObject::close_and_delete)
        .map_err(|error| failure(error.kind()))
}

fn failure(kind: ErrorKind) -> StoreError {
    match kind {
        ErrorKind::CorruptObject | ErrorKind::CorruptObject2 => StoreError::Corrupt,
        _ => StoreError::Failed,
    }
}
