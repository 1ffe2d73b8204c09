//! The JSON forms of a browser's answers: RegistrationResponseJSON and AuthenticationResponseJSON
//! (WebAuthn Level 3, section 5.1), with bytes in base64url without padding. Unknown fields are
//! refused. The same code parses both, so that no passkey is registered in an encoding for which
//! its approvals would be refused.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::{DecodeError, Engine};
use serde_json::{Value, json};

use super::{Fields, InvalidField, Within, invalid};
use crate::bytes::{Bounded, BoundedBytes};
use crate::command::{CredentialId, PasskeyAssertion};
use crate::intents::{IntentList, InvalidIntents};
use crate::limits::{MAX_ATTESTATION_OBJECT, MAX_CLIENT_DATA, MAX_INTENTS};
use crate::primitives::IntentHash;

/// The answer of `navigator.credentials.create`, limited to the parts that are verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationResponse {
    /// `id` and `rawId`. Not empty.
    pub credential_id: CredentialId,
    /// CBOR (WebAuthn Level 3, section 6.5.4).
    pub attestation_object: BoundedBytes<MAX_ATTESTATION_OBJECT>,
    /// The bytes the client hashed.
    pub client_data_json: BoundedBytes<MAX_CLIENT_DATA>,
}

/// Parses the answer of `navigator.credentials.get`, to which the client adds `intents`, an array
/// of hashes, if it approves several operations (protocol, section 2.9). Unsigned parts
/// (attachment, extension results, user handle) are allowed and ignored.
///
/// # Errors
/// The first field that is missing, unknown, or malformed.
pub fn parse_assertion(json: &Value) -> Result<PasskeyAssertion, InvalidField> {
    let mut fields = Fields::of("assertion", json)?;
    let intents = fields.take(INTENTS).map(parse_intents).transpose()?;
    let (credential_id, mut response) = envelope("assertion", fields)?;
    let assertion = PasskeyAssertion {
        credential_id,
        authenticator_data: response.required("authenticatorData", base64url)?,
        client_data_json: response.required("clientDataJSON", base64url)?,
        signature: response.required("signature", base64url)?,
        intents,
    };
    response.leave_out(&["userHandle"]);
    response.finish("no such field in a passkey assertion")?;
    Ok(assertion)
}

/// The JSON form of an assertion, as [`parse_assertion`] reads it.
#[must_use]
pub fn assertion_to_json(assertion: &PasskeyAssertion) -> Value {
    let id = to_base64url(&assertion.credential_id);
    let mut json = json!({
        "id": id,
        "rawId": id,
        "type": "public-key",
        "response": {
            "authenticatorData": to_base64url(&assertion.authenticator_data),
            "clientDataJSON": to_base64url(&assertion.client_data_json),
            "signature": to_base64url(&assertion.signature),
        },
    });
    if let Some(intents) = &assertion.intents {
        json["intents"] = intents.iter().map(ToString::to_string).collect();
    }
    json
}

/// Parses the answer of `navigator.credentials.create`. Parts that repeat the attestation object,
/// and parts that nobody reads (attachment, extension results, transports), are allowed and
/// ignored.
///
/// # Errors
/// The first field that is missing, unknown, or malformed.
pub fn parse_registration(json: &Value) -> Result<RegistrationResponse, InvalidField> {
    let (credential_id, mut response) = envelope("registration", Fields::of("registration", json)?)?;
    let registration = RegistrationResponse {
        credential_id,
        attestation_object: response.required("attestationObject", base64url)?,
        client_data_json: response.required("clientDataJSON", base64url)?,
    };
    response.leave_out(&["authenticatorData", "publicKey", "publicKeyAlgorithm", "transports"]);
    response.finish("no such field in a passkey registration")?;
    Ok(registration)
}

/// The credential's id and the fields of the response, in the PublicKeyCredential of a `what`.
fn envelope<'a>(what: &str, mut fields: Fields<'a>) -> Result<(CredentialId, Within<'a>), InvalidField> {
    if fields.required("type", str::parse::<String>)? != "public-key" {
        return Err(invalid("type", "expected public-key"));
    }
    let credential_id: CredentialId = fields.required("id", base64url)?;
    if fields.required("rawId", base64url)? != credential_id {
        return Err(invalid("rawId", "differs from id"));
    }
    if credential_id.is_empty() {
        return Err(invalid("id", "empty"));
    }
    let response = fields.take("response").ok_or_else(|| invalid("response", "missing"))?;
    fields.leave_out(&["authenticatorAttachment", "clientExtensionResults"]);
    fields.finish(&format!("no such field in a passkey {what}"))?;
    Ok((credential_id, Within::of("response", response)?))
}

/// The name of the list, which the browser's answer does not contain: the client adds it.
const INTENTS: &str = "intents";

/// Parses the `intents` of a list: an array of hashes.
///
/// # Errors
/// `intents` or the item of it that is wrong.
pub fn parse_intents(json: &Value) -> Result<IntentList, InvalidField> {
    let items = json.as_array().ok_or_else(|| invalid(INTENTS, "expected an array"))?;
    // Before any is parsed: a long list costs nothing.
    let count = items.len();
    if count > MAX_INTENTS {
        return Err(invalid(INTENTS, InvalidIntents::TooMany { count }));
    }
    let parse = |(place, item): (usize, &Value)| {
        let field = format!("{INTENTS}[{place}]");
        let text = item.as_str().ok_or_else(|| invalid(&field, "expected a string"))?;
        text.parse::<IntentHash>().map_err(|problem| invalid(&field, problem))
    };
    let intents = items.iter().enumerate().map(parse).collect::<Result<Vec<_>, _>>()?;
    IntentList::new(intents).map_err(|problem| invalid(INTENTS, problem))
}

/// Parses bytes within a bound.
pub fn base64url<const MAX: usize>(text: &str) -> Result<BoundedBytes<MAX>, String> {
    // Four characters carry three bytes; a longer text is refused before it is decoded.
    if text.len() > (MAX * 4).div_ceil(3) {
        return Err(format!("more than {MAX} bytes"));
    }
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|problem| format!("expected base64url without padding, found {}", found(&problem)))?;
    Bounded::new(bytes).map_err(|problem| problem.to_string())
}

/// Describes the invalid part, without requiring an ASCII table.
fn found(problem: &DecodeError) -> String {
    match problem {
        DecodeError::InvalidPadding => "padding (\"=\")".into(),
        DecodeError::InvalidByte(_, b'=') => "padding (\"=\")".into(),
        DecodeError::InvalidByte(offset, byte @ (b'+' | b'/')) => {
            format!("{:?} of standard base64 at offset {offset}", char::from(*byte))
        }
        DecodeError::InvalidByte(offset, byte) => format!("byte {byte:#04x} at offset {offset}"),
        DecodeError::InvalidLength(_) => "an impossible length".into(),
        DecodeError::InvalidLastSymbol(offset, _) => format!("left-over bits at offset {offset}"),
    }
}

/// Encodes bytes as in WebAuthn's JSON.
#[must_use]
pub fn to_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
