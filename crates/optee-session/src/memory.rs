//! Memory shared by this process and the secure world. It is accessed only through a pointer: a
//! reference would promise that nobody else changes it.

use std::ptr;

use optee_teec_sys as teec;

use crate::context::Context;
use crate::error::{Error, codes};

/// Allocated by libteec, registered with OP-TEE once, and released when dropped. Boxed, because
/// operations point to it.
pub(crate) struct SharedMemory(Box<teec::TEEC_SharedMemory>);

impl SharedMemory {
    pub(crate) fn allocate(context: &mut Context, size: usize) -> Result<Self, Error> {
        let imp = teec::TEEC_SharedMemory__Imp {
            id: -1,
            alloced_size: 0,
            shadow_buffer: ptr::null_mut(),
            registered_fd: -1,
            flags: 0,
        };
        let flags = teec::TEEC_MEM_INPUT | teec::TEEC_MEM_OUTPUT;
        let mut memory = Box::new(teec::TEEC_SharedMemory { buffer: ptr::null_mut(), size, flags, imp });
        // SAFETY: the context is connected and is dropped after the memory; size and flags are set.
        let code = unsafe { teec::TEEC_AllocateSharedMemory(context.as_mut_ptr(), &raw mut *memory) };
        Error::check(code, teec::TEEC_ORIGIN_API)?;
        let memory = Self(memory);
        if memory.0.buffer.is_null() {
            return Err(Error::api(codes::OUT_OF_MEMORY));
        }
        Ok(memory)
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut teec::TEEC_SharedMemory {
        &raw mut *self.0
    }

    /// Copies `bytes` to the beginning, truncated to the available room.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let length = bytes.len().min(self.0.size);
        // SAFETY: the buffer has `size` bytes and is not part of `bytes`, which Rust allocated.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.0.buffer.cast::<u8>(), length) };
    }

    /// Returns a copy of `length` bytes from `offset` on; empty if they are out of range.
    pub(crate) fn read(&self, offset: usize, length: usize) -> Vec<u8> {
        if offset.checked_add(length).is_none_or(|end| end > self.0.size) {
            return Vec::new();
        }
        let mut bytes = vec![0; length];
        // SAFETY: the offset is within the buffer, by the check above.
        let from = unsafe { self.0.buffer.cast::<u8>().add(offset) };
        // SAFETY: so are `length` bytes from there on, and `bytes` has as many of its own.
        unsafe { ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), length) };
        bytes
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: allocated by `allocate`, and no operation refers to it any longer.
        unsafe { teec::TEEC_ReleaseSharedMemory(self.as_mut_ptr()) };
    }
}
