//! The session and its calls to the client library.

use std::marker::PhantomData;
use std::ptr;

use optee_teec_sys as teec;
use uuid::Uuid;

use crate::context::Context;
use crate::error::{Error, codes};
use crate::memory::SharedMemory;

/// Buffer sizes for requests and replies, in bytes. The request's should be a multiple of the page
/// size, so that the reply begins on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Length of the longest request.
    pub request: usize,
    /// Length of the longest reply.
    pub reply: usize,
}

/// An open session. It stays on the thread that opened it.
pub struct Session {
    // Fields are dropped in this order, as required.
    session: teec::TEEC_Session,
    memory: SharedMemory,
    _context: Context,
    room: Room,
    _on_one_thread: PhantomData<*const ()>,
}

impl Session {
    /// Connects to OP-TEE, allocates the memory and opens a session with this trusted application.
    ///
    /// # Errors
    /// The code and its origin; [`Origin::Connecting`] if OP-TEE is not available.
    pub fn open(trusted_application: Uuid, room: Room) -> Result<Self, Error> {
        let mut context = Context::connect()?;
        let size = room.request.checked_add(room.reply).ok_or(Error::api(codes::BAD_PARAMETERS))?;
        let memory = SharedMemory::allocate(&mut context, size)?;
        let (time_low, time_mid, time_hi_and_version, clock_seq_and_node) = trusted_application.as_fields();
        let uuid = teec::TEEC_UUID {
            timeLow: time_low,
            timeMid: time_mid,
            timeHiAndVersion: time_hi_and_version,
            clockSeqAndNode: *clock_seq_and_node,
        };
        let mut session = teec::TEEC_Session { imp: teec::TEEC_Session__Imp { ctx: ptr::null_mut(), session_id: 0 } };
        let mut origin = 0;
        // SAFETY: the context is connected, and outlives the session at the same address; the other
        // pointers are to locals that outlive the call; public login takes no connection data and
        // no operation.
        let code = unsafe {
            teec::TEEC_OpenSession(
                context.as_mut_ptr(),
                &raw mut session,
                &raw const uuid,
                teec::TEEC_LOGIN_PUBLIC,
                ptr::null(),
                ptr::null_mut(),
                &raw mut origin,
            )
        };
        Error::check(code, origin)?;
        Ok(Self { session, memory, _context: context, room, _on_one_thread: PhantomData })
    }

    /// Sends a request under this command number and returns the reply.
    ///
    /// # Errors
    /// `EXCESS_DATA`, with nothing sent, if the request exceeds its buffer; otherwise the code of
    /// OP-TEE or of the trusted application. If the two reported reply lengths differ,
    /// `BAD_FORMAT`.
    pub fn call(&mut self, command: u32, request: &[u8]) -> Result<Vec<u8>, Error> {
        if request.len() > self.room.request {
            return Err(Error::api(codes::EXCESS_DATA));
        }
        self.memory.write(request);
        let mut operation = self.operation(request.len());
        let mut origin = 0;
        // SAFETY: the session is open, and the operation refers to memory that this struct holds.
        let code =
            unsafe { teec::TEEC_InvokeCommand(&raw mut self.session, command, &raw mut operation, &raw mut origin) };
        Error::check(code, origin)?;
        let [_, p1, p2, _] = operation.params;
        // SAFETY: p1 is a memory reference, for which all bit patterns are valid.
        let written = unsafe { p1.memref }.size;
        // SAFETY: p2 is a value, for which all bit patterns are valid.
        let said = unsafe { p2.value }.a;
        if usize::try_from(said) != Ok(written) || written > self.room.reply {
            return Err(Error::api(codes::BAD_FORMAT));
        }
        Ok(self.memory.read(self.room.request, written))
    }

    fn operation(&mut self, request: usize) -> teec::TEEC_Operation {
        let parent = self.memory.as_mut_ptr();
        let reference = |offset, size| teec::TEEC_Parameter {
            memref: teec::TEEC_RegisteredMemoryReference { parent, size, offset },
        };
        let value = teec::TEEC_Parameter { value: teec::TEEC_Value { a: 0, b: 0 } };
        teec::TEEC_Operation {
            started: 0,
            paramTypes: teec::TEEC_PARAM_TYPES(
                teec::TEEC_MEMREF_PARTIAL_INPUT,
                teec::TEEC_MEMREF_PARTIAL_OUTPUT,
                teec::TEEC_VALUE_OUTPUT,
                teec::TEEC_NONE,
            ),
            params: [reference(0, request), reference(self.room.request, self.room.reply), value, value],
            imp: teec::TEEC_Operation__Imp { session: ptr::null_mut() },
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: the session is open, and its context is dropped after it.
        unsafe { teec::TEEC_CloseSession(&raw mut self.session) };
    }
}
