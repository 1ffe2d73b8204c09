//! clientDataJSON: what is taken is what serde_json reads in it.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use proto::webauthn::{Ceremony, ClientData};
use serde::de::IgnoredAny;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    for (ceremony, name) in [(Ceremony::Registration, "webauthn.create"), (Ceremony::Assertion, "webauthn.get")] {
        let Ok(data) = ClientData::parse(bytes, ceremony) else { continue };
        let Ok(json) = serde_json::from_slice::<Value>(bytes) else {
            // A lone surrogate in a member that is ignored is JSON (RFC 8259, section 8.2) and no
            // text.
            let _: IgnoredAny = serde_json::from_slice(bytes).expect("JSON");
            continue;
        };
        assert_eq!(json["type"], name);
        assert_eq!(json["origin"], data.origin());
        assert!(matches!(json.get("crossOrigin"), None | Some(Value::Bool(false))));
        assert_eq!(json.get("topOrigin"), None);
        let oracle = json["challenge"].as_str().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        assert_eq!(data.challenge().ok(), oracle);
    }
});
