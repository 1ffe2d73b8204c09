//! Reads the body of a response up to a limit.

use reqwest::Response;
use thiserror::Error;

/// Why there is no body.
#[derive(Debug, Error)]
pub enum BodyError {
    /// It exceeds the limit.
    #[error("the answer is over the limit of {limit} bytes")]
    TooLarge {
        /// Bytes.
        limit: usize,
    },
    /// It did not arrive completely.
    #[error(transparent)]
    Broken(#[from] reqwest::Error),
}

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// [`BodyError`].
pub async fn read(mut response: Response, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await? {
        if part.len() > limit.saturating_sub(body.len()) {
            return Err(BodyError::TooLarge { limit });
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}
