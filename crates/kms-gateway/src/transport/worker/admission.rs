//! What a new session must show before anything is served over it: whoever has the machine may have loaded another trusted
//! application since the last one was opened.

use proto::Status;
use proto::command::{Hello, Request, SecurityState, VerifySecurityState};
use proto::frame::{VERSION, decode_reply, encode_request};
use thiserror::Error;

use super::session::Session;
use crate::protection::{InsufficientProtection, RequiredProtection};

/// A session was opened with a trusted application that is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotAdmitted {
    /// It gives no reply of the protocol.
    #[error("the trusted application does not say what it is")]
    Silent,
    /// It can't serve, or not this gateway.
    #[error("{0}")]
    Refused(Status),
    /// It speaks another protocol.
    #[error("the trusted application speaks wire version {theirs}, and this gateway {VERSION}")]
    WireVersion {
        /// By its own word.
        theirs: u8,
    },
    /// It protects less than it must.
    #[error(transparent)]
    Protection(#[from] InsufficientProtection),
}

/// Asks a session what it is, and holds that against what is required.
pub(super) fn admit(session: &mut impl Session, required: &RequiredProtection) -> Result<SecurityState, NotAdmitted> {
    let hello = ask(session, &Hello)?;
    if hello.wire_version != VERSION {
        return Err(NotAdmitted::WireVersion { theirs: hello.wire_version });
    }
    let state = ask(session, &VerifySecurityState)?;
    required.check(&state)?;
    Ok(state)
}

fn ask<R: Request>(session: &mut impl Session, request: &R) -> Result<R::Reply, NotAdmitted> {
    let frame = encode_request(request).map_err(NotAdmitted::Refused)?;
    let reply = session.call(&frame).map_err(|error| {
        tracing::error!(%error, "a new TEE session gave no reply");
        NotAdmitted::Silent
    })?;
    decode_reply::<R>(&reply).map_err(|_| NotAdmitted::Silent)?.map_err(NotAdmitted::Refused)
}
