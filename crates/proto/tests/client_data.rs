//! Client data as clients write it, compared with `serde_json`'s reading of the same bytes.
#![expect(clippy::unwrap_used, reason = "what does not parse must fail the test")]

use proptest::collection::vec;
use proptest::prelude::*;
use proto::Status;
use proto::webauthn::{Ceremony, ClientData};
use serde_json::Value;

const CHALLENGE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn parse(text: &str) -> Result<ClientData<'_>, Status> {
    ClientData::parse(text.as_bytes(), Ceremony::Assertion)
}

fn bytes() -> Vec<u8> {
    (0..32).collect()
}

#[test]
fn escapes_are_decoded_as_json_specifies() {
    let spellings = [
        r#"{"type":"webauthn.get","challenge":"CHALLENGE","origin":"http:\/\/localhost:3000","androidPackageName":"a"}"#,
        r#"{"type":"webauthn\u002eget","challenge":"CHALLENGE","origin":"http:\u002f\u002Flocalhost:3000"}"#,
        r#"{"\u0074ype":"webauthn.get","\u0063hallenge":"CHALLENGE","ori\u0067in":"http://localhost:3000"}"#,
        "\n { \"origin\" : \"http://localhost:3000\" , \"challenge\" : \"CHALLENGE\" , \"type\" : \"webauthn.get\" } \r\t",
    ];
    for spelling in spellings {
        let text = spelling.replace("CHALLENGE", CHALLENGE);
        let client_data = parse(&text).unwrap();
        assert_eq!(client_data.origin(), "http://localhost:3000", "{text}");
        assert_eq!(client_data.check_challenge(&bytes()), Ok(()), "{text}");
    }
    let escaped = format!(r#"{{"type":"webauthn.get","challenge":"\u0041{}","origin":"o"}}"#, &CHALLENGE[1..]);
    assert_eq!(parse(&escaped).unwrap().check_challenge(&bytes()), Ok(()));
}

#[test]
fn escapes_hide_no_second_key_and_no_other_ceremony() {
    let cases = [
        (
            r#"{"type":"webauthn.get","\u0074ype":"webauthn.get","challenge":"AA","origin":"o"}"#,
            Status::ClientDataMalformed,
        ),
        (r#"{"type":"webauthn\u002ecreate","challenge":"AA","origin":"o"}"#, Status::ClientDataTypeWrong),
        (r#"{"type":"webauthn.get","challenge":"AA","origin":"o","cross\u004frigin":true}"#, Status::CrossOrigin),
        (r#"{"type":"webauthn.get","challenge":"AA","origin":"o","top\u004frigin":"p"}"#, Status::CrossOrigin),
        (r#"{"type":"webauthn.get","challenge":"AA","origin":"o","topOrigin":null}"#, Status::ClientDataMalformed),
        (r#"{"type":"webauthn.get","challenge":"AA","origin":"\ud800"}"#, Status::ClientDataMalformed),
        (r#"{"type":"webauthn.get","challenge":"AA","origin":"\x41"}"#, Status::ClientDataMalformed),
        (r#"{"type":"webauthn.get","challenge":"AA","origin":null}"#, Status::ClientDataMalformed),
    ];
    for (text, status) in cases {
        assert_eq!(parse(text).err(), Some(status), "{text}");
    }
}

#[test]
fn a_challenge_in_another_encoding_is_reported_as_such() {
    let last = CHALLENGE.len() - 1;
    let cases = [
        (format!("{CHALLENGE}="), Status::ChallengeEncodingInvalid),
        (format!("+{}", &CHALLENGE[1..]), Status::ChallengeEncodingInvalid),
        (format!("/{}", &CHALLENGE[1..]), Status::ChallengeEncodingInvalid),
        (format!(" {CHALLENGE}"), Status::ChallengeEncodingInvalid),
        // The last character carries four bits; a lax decoder would ignore the two remaining ones.
        (format!("{}9", &CHALLENGE[..last]), Status::ChallengeEncodingInvalid),
        (CHALLENGE[..40].to_owned(), Status::ChallengeMismatch),
        (format!("B{}", &CHALLENGE[1..]), Status::ChallengeMismatch),
        (String::new(), Status::ChallengeMismatch),
    ];
    for (challenge, status) in cases {
        let text = format!(r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"o"}}"#);
        assert_eq!(parse(&text).unwrap().check_challenge(&bytes()), Err(status), "{challenge:?}");
    }
}

/// The ways to write a character: literally where JSON allows it, as `\u` with its UTF-16 units, or
/// as a short escape.
fn spelled(character: char, how: u8) -> String {
    let short = match character {
        '"' => Some("\\\""),
        '\\' => Some("\\\\"),
        '/' => Some("\\/"),
        '\n' => Some("\\n"),
        '\r' => Some("\\r"),
        '\t' => Some("\\t"),
        '\u{8}' => Some("\\b"),
        '\u{c}' => Some("\\f"),
        _ => None,
    };
    let must_escape = matches!(character, '"' | '\\') || u32::from(character) < 0x20;
    match (how % 3, short) {
        (0, _) if !must_escape => character.to_string(),
        (1, Some(short)) => short.to_owned(),
        _ => character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
    }
}

fn text() -> impl Strategy<Value = (String, String)> {
    let characters =
        prop_oneof![4 => any::<char>(), 2 => "[a-z:/.0-9\"\\\\]".prop_map(|text| text.chars().next().unwrap())];
    vec((characters, any::<u8>()), 0..24).prop_map(|characters| {
        let plain = characters.iter().map(|(character, _)| *character).collect();
        let written = characters.iter().map(|(character, how)| spelled(*character, *how)).collect();
        (plain, written)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// The parsed text equals the intended one, whatever the escapes.
    #[test]
    fn every_spelling_of_a_text_is_read_as_that_text(
        (origin, written_origin) in text(),
        (_, written_extra) in text(),
        (key, written_key) in text(),
        how in vec(any::<u8>(), 12),
    ) {
        prop_assume!(!["type", "challenge", "origin", "crossOrigin", "topOrigin"].contains(&key.as_str()));
        let ceremony: String = "webauthn.get".chars().zip(how).map(|(character, how)| spelled(character, how)).collect();
        let json = format!(
            r#"{{"type":"{ceremony}","{written_key}":"{written_extra}","challenge":"{CHALLENGE}","origin":"{written_origin}"}}"#
        );
        let client_data = parse(&json).unwrap();
        prop_assert_eq!(client_data.origin(), origin);
        prop_assert_eq!(client_data.check_challenge(&bytes()), Ok(()));
    }

    /// Everything parsed is what `serde_json` parses from the same bytes.
    #[test]
    fn parsed_values_are_those_of_serde_json(
        (_, written_origin) in text(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let json = format!(r#"{{"type":"webauthn.get","challenge":"{CHALLENGE}","origin":"{written_origin}","n":[1,{{}}]}}"#);
        let mut bytes = json.into_bytes();
        for (at, change) in changes {
            let at = at.index(bytes.len());
            bytes[at] ^= change;
        }
        if let Ok(client_data) = ClientData::parse(&bytes, Ceremony::Assertion) {
            let oracle: Value = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(&oracle["type"], "webauthn.get");
            prop_assert_eq!(&oracle["origin"], client_data.origin());
            prop_assert!(oracle.get("topOrigin").is_none());
            prop_assert!(oracle.get("crossOrigin").is_none_or(|value| value == false));
            let challenge = client_data.challenge().ok().map(|bytes| proto::json::passkey::to_base64url(&bytes));
            prop_assert!(challenge.is_none_or(|challenge| oracle["challenge"] == challenge));
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = ClientData::parse(&bytes, Ceremony::Registration);
    }
}
