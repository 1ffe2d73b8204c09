//! Sealed records, one object each.

use ta::{RecordName, SecureStore, StoreError};
use zeroize::Zeroizing;

use alloc::vec::Vec;

use crate::{leftovers, objects};

/// `TEE_STORAGE_PRIVATE`. Where OP-TEE is built with RPMB, it refuses an older snapshot of it.
pub(crate) struct ObjectStore;

impl SecureStore for ObjectStore {
    fn read(&self, name: &RecordName) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let record = objects::read(&name.to_bytes())?;
        if record.is_none() && *name == RecordName::System && leftovers::any_record()? {
            return Err(StoreError::Corrupt);
        }
        Ok(record)
    }

    fn write(&mut self, name: &RecordName, value: &[u8]) -> Result<(), StoreError> {
        objects::write(&name.to_bytes(), value)
    }
}
