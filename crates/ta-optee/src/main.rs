//! The trusted application: OP-TEE's entry points around the trusted core, without logic of its
//! own.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod attestation;
mod counter;
mod critical;
mod directory;
mod entropy;
#[cfg(feature = "for-tests")]
mod for_tests;
mod header;
mod instance;
mod invocation;
mod objects;
mod panic;
mod platform;
mod store;
#[cfg(feature = "for-tests")]
mod test_ports;

use optee_utee::{ErrorKind, ParametersNone, Result};
use optee_utee::{ta_close_session, ta_create, ta_destroy, ta_invoke_command, ta_open_session};

use crate::invocation::Invocation;

/// The only command of the entry point; the frame contains the actual opcode (protocol, section 6).
const HANDLE_FRAME: u32 = 0;

#[ta_create]
fn create() -> Result<()> {
    attestation::prepare();
    Ok(())
}

#[ta_open_session]
fn open_session(_: &mut ParametersNone) -> Result<()> {
    Ok(())
}

#[ta_close_session]
fn close_session() {}

#[ta_destroy]
fn destroy() {}

#[ta_invoke_command]
fn invoke_command(command: u32, invocation: &mut Invocation<'_>) -> Result<()> {
    #[cfg(feature = "for-tests")]
    if let Some(outcome) = for_tests::invoke(command, invocation) {
        return outcome;
    }
    if command != HANDLE_FRAME {
        return Err(ErrorKind::NotSupported.into());
    }
    let reply = match invocation.copy_frame() {
        Ok(frame) => instance::handle(&frame)?,
        Err(refusal) => proto::frame::encode_refusal(refusal),
    };
    invocation.answer(&reply)
}
