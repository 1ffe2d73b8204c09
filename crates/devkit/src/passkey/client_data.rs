//! clientDataJSON, with its keys in the order in which browsers write them (WebAuthn Level 3,
//! section 5.8.1.1).

use serde::Serialize;

use super::behaviour::{Behaviour, ExtraKey};
use super::options::{PasskeyError, base64url};

const REMINDER: &str = "do not compare clientDataJSON against a template. See https://goo.gl/yabPex";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ceremony {
    Registration,
    Assertion,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClientData<'a> {
    r#type: &'a str,
    challenge: String,
    origin: &'a str,
    cross_origin: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_origin: Option<&'a str>,
    #[serde(rename = "other_keys_can_be_added_here", skip_serializing_if = "Option::is_none")]
    extra: Option<&'a str>,
}

pub(super) fn client_data_json(
    ceremony: Ceremony,
    challenge: &[u8],
    behaviour: &Behaviour,
) -> Result<Vec<u8>, PasskeyError> {
    let own_type = match ceremony {
        Ceremony::Registration => "webauthn.create",
        Ceremony::Assertion => "webauthn.get",
    };
    let extra = match behaviour.extra_key {
        ExtraKey::Never => false,
        ExtraKey::OnRegistration => ceremony == Ceremony::Registration,
        ExtraKey::Always => true,
    };
    let data = ClientData {
        r#type: behaviour.ceremony_type.as_deref().unwrap_or(own_type),
        challenge: base64url(challenge),
        origin: &behaviour.origin,
        cross_origin: behaviour.cross_origin,
        top_origin: behaviour.top_origin.as_deref(),
        extra: extra.then_some(REMINDER),
    };
    let text = serde_json::to_string(&data).map_err(|error| PasskeyError::Encoding { detail: error.to_string() })?;
    Ok(if behaviour.escapes_slashes { text.replace('/', r"\/") } else { text }.into_bytes())
}
