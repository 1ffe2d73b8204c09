//! Sealed records as persistent objects of OP-TEE's trusted storage, encrypted and authenticated for this trusted
//! application alone.
//!
//! One call puts a record in place of the one before, whole or not at all: `TEE_CreatePersistentObject` with the overwrite
//! flag is atomic (GlobalPlatform TEE Internal Core API 1.3, section 5.7.2). OP-TEE writes the new object beside the old
//! one and then commits its directory, so a crash leaves either (`ree_fs_create`, `set_name` in `core/tee/tee_ree_fs.c`).

use optee_utee::{DataFlag, ErrorKind, ObjectStorageConstants, PersistentObject};
use ta::{RecordName, SecureStore, StoreError};
use zeroize::Zeroizing;

use alloc::vec::Vec;

use crate::leftovers;

/// `TEE_STORAGE_PRIVATE`. Where OP-TEE is built with RPMB, it refuses an older snapshot of it.
pub(crate) struct ObjectStore;

impl SecureStore for ObjectStore {
    fn read(&self, name: &RecordName) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let record = read(&name.to_bytes())?;
        if record.is_none() && *name == RecordName::System && leftovers::any_record()? {
            return Err(StoreError::Corrupt);
        }
        Ok(record)
    }

    fn write(&mut self, name: &RecordName, value: &[u8]) -> Result<(), StoreError> {
        write(&name.to_bytes(), value)
    }

    fn remove(&mut self, name: &RecordName) -> Result<(), StoreError> {
        let flags = DataFlag::ACCESS_WRITE_META;
        match PersistentObject::open(ObjectStorageConstants::Private, &name.to_bytes(), flags) {
            Ok(object) => object.close_and_delete().map_err(|error| failure(error.kind())),
            Err(error) if error.kind() == ErrorKind::ItemNotFound => Ok(()),
            Err(error) => Err(failure(error.kind())),
        }
    }
}

/// The bytes of an object, or `None` if OP-TEE's directory has no such object.
pub(crate) fn read(id: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let mut object = match PersistentObject::open(ObjectStorageConstants::Private, id, DataFlag::ACCESS_READ) {
        Ok(object) => object,
        Err(error) if error.kind() == ErrorKind::ItemNotFound => return Ok(None),
        Err(error) => return Err(failure(error.kind())),
    };
    let bytes = object.read_remaining_to_vec().map_err(|error| failure(error.kind()))?;
    Ok(Some(Zeroizing::new(bytes)))
}

/// Puts the bytes in place of those before; durable once it returns, as far as the normal world is honest about its disk.
pub(crate) fn write(id: &[u8], bytes: &[u8]) -> Result<(), StoreError> {
    let flags = DataFlag::ACCESS_WRITE | DataFlag::OVERWRITE;
    PersistentObject::create(ObjectStorageConstants::Private, id, flags, None, bytes)
        .map(drop)
        .map_err(|error| failure(error.kind()))
}

fn failure(kind: ErrorKind) -> StoreError {
    match kind {
        ErrorKind::CorruptObject | ErrorKind::CorruptObject2 => StoreError::Corrupt,
        _ => StoreError::Failed,
    }
}
