//! The connection to OP-TEE's driver.

use std::ptr;

use optee_teec_sys as teec;

use crate::error::{Error, Origin};

/// Connected until dropped. Boxed, because sessions hold a pointer to it.
pub(crate) struct Context(Box<teec::TEEC_Context>);

impl Context {
    /// Connects to the first TEE device that runs OP-TEE.
    pub(crate) fn connect() -> Result<Self, Error> {
        let imp = teec::TEEC_Context__Imp { fd: -1, reg_mem: false, memref_null: false };
        let mut context = Box::new(teec::TEEC_Context { imp });
        // SAFETY: a null name selects any TEE; the context is written to before the call returns.
        let code = unsafe { teec::TEEC_InitializeContext(ptr::null(), &raw mut *context) };
        if code != teec::TEEC_SUCCESS {
            return Err(Error { code, origin: Origin::Connecting });
        }
        Ok(Self(context))
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut teec::TEEC_Context {
        &raw mut *self.0
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: connected by `connect`; its sessions and memory no longer exist.
        unsafe { teec::TEEC_FinalizeContext(self.as_mut_ptr()) };
    }
}
