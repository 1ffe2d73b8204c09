//! The parameters of a command: p0 the frame, p1 the reply buffer, p2 the reply's length, p3
//! unused.

use alloc::vec::Vec;

use optee_utee::raw::{
    TEE_PARAM_TYPE_MEMREF_INPUT, TEE_PARAM_TYPE_MEMREF_OUTPUT, TEE_PARAM_TYPE_NONE, TEE_PARAM_TYPE_VALUE_OUTPUT,
    TEE_PARAM_TYPES,
};
use optee_utee::{
    ErrorKind, FromRawParameter, FromRawParameters, ParameterMemref, ParameterMemrefInput, ParameterMemrefOutput,
    ParameterMemrefRead, ParameterMemrefWrite, ParameterValueOutput, ParameterValueWrite, RawParamTypes, RawParams,
    Result,
};
use proto::Status;
use proto::limits::{MAX_FRAME, MAX_REPLY};

/// Parameters of the right types, with a buffer large enough for any reply.
pub(crate) struct Invocation<'a> {
    /// `None` if the host passed no bytes: then there is no memory to refer to.
    frame: Option<ParameterMemrefInput<'a>>,
    reply: ParameterMemrefOutput<'a>,
    length: ParameterValueOutput<'a>,
}

impl<'a> FromRawParameters<'a> for Invocation<'a> {
    /// `BAD_PARAMETERS` for any other types. `SHORT_BUFFER`, with [`MAX_REPLY`] as the length
    /// needed, unless the largest reply fits: otherwise the reply could be lost after the command
    /// took effect.
    #[expect(unsafe_code, reason = "the parameters are unions, told apart by their types")]
    unsafe fn from_raw(types: RawParamTypes, params: &'a mut RawParams) -> Result<Self> {
        if types != expected_types() {
            return Err(ErrorKind::BadParameters.into());
        }
        let [p0, p1, p2, _] = params;
        // SAFETY: p1 is a memref, by its type.
        if unsafe { p1.memref }.size < MAX_REPLY {
            p1.memref.size = MAX_REPLY;
            return Err(ErrorKind::ShortBuffer.into());
        }
        // SAFETY: p0 is a memref, by its type.
        let is_empty = unsafe { p0.memref }.size == 0;
        let frame = if is_empty {
            None
        } else {
            // SAFETY: OP-TEE mapped the memory of a memref of this type for the duration of the
            // command.
            Some(unsafe { ParameterMemrefInput::from_raw(TEE_PARAM_TYPE_MEMREF_INPUT, p0) }?)
        };
        // SAFETY: as for p0.
        let reply = unsafe { ParameterMemrefOutput::from_raw(TEE_PARAM_TYPE_MEMREF_OUTPUT, p1) }?;
        // SAFETY: p2 is a value, by its type.
        let length = unsafe { ParameterValueOutput::from_raw(TEE_PARAM_TYPE_VALUE_OUTPUT, p2) }?;
        Ok(Self { frame, reply, length })
    }
}

impl Invocation<'_> {
    /// Copies the frame once, because the host may change its own memory at any time. A length over
    /// the limit is refused before anything is allocated.
    pub(crate) fn copy_frame(&self) -> core::result::Result<Vec<u8>, Status> {
        match &self.frame {
            None => Ok(Vec::new()),
            Some(frame) if frame.buffer_len() > MAX_FRAME => Err(Status::TooLarge),
            Some(frame) => Ok(frame.read_to_vec()),
        }
    }

    /// Writes the reply to its buffer.
    pub(crate) fn answer(&mut self, reply: &[u8]) -> Result<()> {
        let length = u32::try_from(reply.len()).map_err(|_| ErrorKind::Overflow)?;
        self.length.set_a(length);
        self.length.set_b(0);
        self.reply.set_output(reply)
    }
}

fn expected_types() -> RawParamTypes {
    TEE_PARAM_TYPES(
        TEE_PARAM_TYPE_MEMREF_INPUT,
        TEE_PARAM_TYPE_MEMREF_OUTPUT,
        TEE_PARAM_TYPE_VALUE_OUTPUT,
        TEE_PARAM_TYPE_NONE,
    )
}
