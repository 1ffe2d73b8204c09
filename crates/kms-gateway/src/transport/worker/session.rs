//! What a worker drives: a session with a trusted application that can be lost and opened again.

use thiserror::Error;

/// One session. It is called on the thread that opened it, one frame at a time.
pub trait Session {
    /// Sends a frame and returns its reply.
    ///
    /// # Errors
    /// What the loss of a reply says about the session.
    fn call(&mut self, frame: &[u8]) -> Result<Vec<u8>, SessionError>;
}

impl<F: FnMut(&[u8]) -> Result<Vec<u8>, SessionError>> Session for F {
    fn call(&mut self, frame: &[u8]) -> Result<Vec<u8>, SessionError> {
        self(frame)
    }
}

/// Why a session gave no reply. Whether the frame had an effect is not known either way.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SessionError {
    /// The session is lost; another one may be had.
    #[error("the session is lost: {0}")]
    Dead(String),
    /// This call failed; the session may be good for the next one.
    #[error("the call failed: {0}")]
    Broken(String),
}
