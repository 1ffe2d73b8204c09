//! Header names. Those passed to `http::HeaderName::from_static` are in lower case.

/// The id of a request: 1 to 64 characters of `[A-Za-z0-9-_.:]`, chosen by the client or otherwise
/// by the gateway, and repeated in every answer.
pub const REQUEST_ID: &str = "x-request-id";
/// The relay key's signature over the request digest: r ‖ s ‖ v in hex.
pub const PAYMASTER_SIGNATURE: &str = "X-Paymaster-Signature";
/// The address of the relay key that signed.
pub const PAYMASTER_ADDRESS: &str = "X-Paymaster-Address";
/// The gateway's clock when it answered, in Unix seconds. Proxies replace `Date` by the time of
/// their own host.
pub const TIME: &str = "x-kms-time";
