//! The interface of a worker to its session with a trusted application, which can be lost and
//! reopened.

use thiserror::Error;

/// One session. It is called on the thread that opened it, one frame at a time.
pub trait Session {
    /// Sends a frame and returns its reply.
    ///
    /// # Errors
    /// What the missing reply says about the session.
    fn call(&mut self, frame: &[u8]) -> Result<Vec<u8>, SessionError>;
}

impl<F: FnMut(&[u8]) -> Result<Vec<u8>, SessionError>> Session for F {
    fn call(&mut self, frame: &[u8]) -> Result<Vec<u8>, SessionError> {
        self(frame)
    }
}

/// Why a session gave no reply. In both cases it is unknown whether the frame had an effect.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SessionError {
    /// The session is lost; another one can be opened.
    #[error("the session is lost: {0}")]
    Dead(String),
    /// This call failed; the session may work for the next one.
    #[error("the call failed: {0}")]
    Broken(String),
}
