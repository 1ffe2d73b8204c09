//! Names of headers. In lower case are those that `http::HeaderName::from_static` is given.

/// The id of a request: 1 to 64 characters of `[A-Za-z0-9-_.:]`, chosen by the client or else by
/// the gateway, and in every answer.
pub const REQUEST_ID: &str = "x-request-id";
/// The relay key's signature over the request digest: r ‖ s ‖ v in hex.
pub const PAYMASTER_SIGNATURE: &str = "X-Paymaster-Signature";
/// The address of the relay key that signed.
pub const PAYMASTER_ADDRESS: &str = "X-Paymaster-Address";
