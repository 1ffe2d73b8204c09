//! The names of the objects in the storage.
#![expect(unsafe_code, reason = "optee-utee has no enumerator of persistent objects")]

use alloc::vec::Vec;
use core::ffi::c_void;
use core::ptr;

use optee_utee::raw::{
    TEE_AllocatePersistentObjectEnumerator, TEE_ERROR_CORRUPT_OBJECT, TEE_ERROR_ITEM_NOT_FOUND,
    TEE_FreePersistentObjectEnumerator, TEE_GetNextPersistentObject, TEE_ObjectEnumHandle, TEE_STORAGE_PRIVATE,
    TEE_SUCCESS, TEE_StartPersistentObjectEnumerator,
};
use ta::{RecordName, StoreError};

use crate::objects::{self, COUNTER};

/// Bytes of the longest object id (`TEE_OBJECT_ID_MAX_LEN`).
const MAX_ID: usize = 64;

/// Whether any object other than the counter exists, damaged or not. A failed query is an error.
///
/// OP-TEE deletes an object that the host has damaged. Without its system record the trusted
/// application would look new and accept another admin, while the first one's accounts still exist:
/// that is damage too, and must not be treated as a fresh start.
pub(crate) fn any_record() -> Result<bool, StoreError> {
    let Some(objects) = Objects::start()? else {
        return Ok(false);
    };
    while let Some(object) = objects.next()? {
        if object.is_none_or(|(id, length)| id.get(..length) != Some(COUNTER)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The accounts, passkeys and buckets that have an object. One that is damaged is left out.
pub(crate) fn names() -> Result<Vec<RecordName>, StoreError> {
    let mut names = Vec::new();
    let Some(objects) = Objects::start()? else {
        return Ok(names);
    };
    while let Some(object) = objects.next()? {
        names.extend(object.and_then(|(id, length)| RecordName::parse(id.get(..length)?)));
    }
    Ok(names)
}

/// An object's id, and its length.
type Id = ([u8; MAX_ID], usize);

struct Objects(TEE_ObjectEnumHandle);

impl Objects {
    /// `None` if there is no object at all.
    fn start() -> Result<Option<Self>, StoreError> {
        let mut handle: TEE_ObjectEnumHandle = ptr::null_mut();
        // SAFETY: the handle is written to before the call returns.
        if unsafe { TEE_AllocatePersistentObjectEnumerator(&raw mut handle) } != TEE_SUCCESS {
            return Err(StoreError::Failed);
        }
        let objects = Self(handle);
        // SAFETY: the handle was allocated above, and only `drop` frees it.
        match unsafe { TEE_StartPersistentObjectEnumerator(objects.0, TEE_STORAGE_PRIVATE) } {
            TEE_SUCCESS => Ok(Some(objects)),
            TEE_ERROR_ITEM_NOT_FOUND => Ok(None),
            _ => Err(StoreError::Failed),
        }
    }

    /// The id of the next object, with its length; without them if it is damaged: OP-TEE reads each
    /// object's head.
    fn next(&self) -> Result<Option<Option<Id>>, StoreError> {
        let mut id = [0; MAX_ID];
        let mut length = 0;
        let id_start = id.as_mut_ptr().cast::<c_void>();
        // SAFETY: the enumerator is started, no object information is requested, and the buffer
        // holds the longest object id.
        match unsafe { TEE_GetNextPersistentObject(self.0, ptr::null_mut(), id_start, &raw mut length) } {
            TEE_SUCCESS => Ok(Some(Some((id, length)))),
            TEE_ERROR_CORRUPT_OBJECT => Ok(Some(None)),
            TEE_ERROR_ITEM_NOT_FOUND => Ok(None),
            _ => Err(StoreError::Failed),
        }
    }
}

impl Drop for Objects {
    /// At the end of the enumeration OP-TEE closes its directory without counting that, and then
    /// keeps it open for ever after, as it was then (`ree_fs_readdir_rpc`, `ree_fs_closedir_rpc` in
    /// `core/tee/tee_ree_fs.c`). With an object open the count is right.
    fn drop(&mut self) {
        let _open = objects::open(COUNTER);
        // SAFETY: the handle was allocated by `start` and is not used again.
        unsafe { TEE_FreePersistentObjectEnumerator(self.0) };
    }
}
