//! The JSON form of a passkey assertion: AuthenticationResponseJSON (WebAuthn Level 3, section 5.1), bytes in base64url
//! without padding. Unknown fields are refused.

use alloc::format;
use alloc::string::{String, ToString};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::{Fields, InvalidField, invalid};
use crate::bytes::{Bounded, BoundedBytes};
use crate::command::PasskeyAssertion;

const UNKNOWN: &str = "no such field in a passkey assertion";

/// Parses what `navigator.credentials.get` answered. What nobody signs (attachment, extension results, user handle) is
/// allowed and left out.
pub fn parse_assertion(json: &Value) -> Result<PasskeyAssertion, InvalidField> {
    let mut fields = Fields::of("assertion", json)?;
    if fields.required("type", |text| Ok(text.to_string()))? != "public-key" {
        return Err(invalid("type", "expected public-key"));
    }
    let credential_id: BoundedBytes<_> = fields.required("id", base64url)?;
    if fields.required("rawId", base64url)? != credential_id {
        return Err(invalid("rawId", "differs from id"));
    }
    if credential_id.is_empty() {
        return Err(invalid("id", "empty"));
    }
    let response = fields.take("response").ok_or_else(|| invalid("response", "missing"))?;
    fields.take("authenticatorAttachment");
    fields.take("clientExtensionResults");
    fields.finish(UNKNOWN)?;

    let within = |problem: InvalidField| InvalidField { field: format!("response.{}", problem.field), ..problem };
    let mut fields = Fields::of("response", response)?;
    let assertion = PasskeyAssertion {
        credential_id,
        authenticator_data: fields.required("authenticatorData", base64url).map_err(within)?,
        client_data_json: fields.required("clientDataJSON", base64url).map_err(within)?,
        signature: fields.required("signature", base64url).map_err(within)?,
    };
    fields.take("userHandle");
    fields.finish(UNKNOWN).map_err(within)?;
    Ok(assertion)
}

/// Parses bytes within a bound.
pub fn base64url<const MAX: usize>(text: &str) -> Result<BoundedBytes<MAX>, String> {
    // Four characters carry three bytes; a longer text is refused before it is decoded.
    if text.len() > (MAX * 4).div_ceil(3) {
        return Err(format!("more than {MAX} bytes"));
    }
    let bytes =
        URL_SAFE_NO_PAD.decode(text).map_err(|problem| format!("expected base64url without padding: {problem}"))?;
    Bounded::new(bytes).map_err(|problem| problem.to_string())
}

/// Writes bytes as WebAuthn's JSON has them.
#[must_use]
pub fn to_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
