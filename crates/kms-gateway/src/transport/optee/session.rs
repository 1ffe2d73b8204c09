//! Frames over an OP-TEE session, and what a failed call says about the session.

use optee_session::Room;
use proto::limits::{MAX_FRAME, MAX_REPLY};
use uuid::Uuid;

use super::codes::{OpteeError, classify};
use crate::transport::{Session, SessionError};

const TRUSTED_APPLICATION: &str = include_str!("../../../../ta-optee/uuid.txt");
/// The only command of the entry point; the frame contains the actual opcode (protocol, section 6).
const HANDLE_FRAME: u32 = 0;
/// Room for any reply, which the trusted application checks before it does anything.
const ROOM: Room = Room { request: MAX_FRAME, reply: MAX_REPLY };

/// A session with the trusted application.
pub struct OpteeSession(optee_session::Session);

impl OpteeSession {
    /// Opens the session.
    ///
    /// # Errors
    /// For the operator: what OP-TEE refused, and what to do.
    pub fn open() -> Result<Self, OpteeError> {
        let trusted_application = Uuid::try_parse(TRUSTED_APPLICATION.trim()).map_err(OpteeError::Uuid)?;
        let session = optee_session::Session::open(trusted_application, ROOM)
            .map_err(|error| OpteeError::of_open(error, trusted_application))?;
        Ok(Self(session))
    }
}

impl Session for OpteeSession {
    fn call(&mut self, frame: &[u8]) -> Result<Vec<u8>, SessionError> {
        self.0.call(HANDLE_FRAME, frame).map_err(classify)
    }
}
