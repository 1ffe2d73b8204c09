//! Sealed records as objects: accounts and passkeys in buckets, because OP-TEE reads its directory
//! from the start for each name (`tee_fs_dirfile_find` in `core/tee/fs_dirfile.c`), and each other
//! record in an object of its own.

use ta::{Buckets, RecordName, SecureStore, StoreError};
use zeroize::Zeroizing;

use alloc::vec::Vec;

use crate::{directory, objects};

/// The records. Those of accounts that have objects of their own are moved into buckets.
///
/// # Errors
/// Those of the storage. What was moved before stays, and the next opening moves the rest.
pub(crate) fn open() -> Result<Buckets<ObjectStore>, StoreError> {
    let mut store = Buckets::new(ObjectStore);
    if !store.is_complete()? {
        store.take_in(&directory::names()?, |name| objects::remove(&name.to_bytes()))?;
    }
    Ok(store)
}

/// One object for each record (`TEE_STORAGE_PRIVATE`). Where OP-TEE is built with RPMB, it refuses
/// an older snapshot of it.
pub(crate) struct ObjectStore;

impl SecureStore for ObjectStore {
    fn read(&self, name: &RecordName) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let record = objects::read(&name.to_bytes())?;
        if record.is_none() && *name == RecordName::System && directory::any_record()? {
            return Err(StoreError::Corrupt);
        }
        Ok(record)
    }

    fn write(&mut self, name: &RecordName, value: &[u8]) -> Result<(), StoreError> {
        objects::write(&name.to_bytes(), value)
    }
}
