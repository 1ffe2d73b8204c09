//! Value types as text, in JSON and TOML, and on the wire.
#![expect(clippy::unwrap_used, reason = "a value that does not come back must fail the test")]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use proptest::prelude::*;
use proto::bytes::BoundedBytes;
use proto::command::{PasskeyPublicKey, SignatureScheme};
use proto::{
    AccountId, Address, EntryPointVersion, Hash, ParseError, Permissions, Quantity, Signature, TeeId, Uint256, Wei,
    frame,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Text, JSON and wire round trips return the value.
fn comes_back<T>(value: &T)
where
    T: Debug + Display + PartialEq + FromStr<Err = ParseError> + Serialize + DeserializeOwned,
{
    assert_eq!(value.to_string().parse::<T>().as_ref(), Ok(value));
    json_comes_back(value);
    assert_eq!(serde_json::to_value(value).unwrap(), value.to_string());
}

fn json_comes_back<T: Debug + PartialEq + Serialize + DeserializeOwned>(value: &T) {
    let json = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&json).unwrap(), value);
    assert_eq!(&serde_json::from_value::<T>(serde_json::to_value(value).unwrap()).unwrap(), value);
    assert_eq!(frame::decode_record::<T>(&frame::encode_record(value).unwrap()).as_ref(), Ok(value));
}

proptest! {
    #[test]
    fn a_value_survives_a_round_trip_through_text(word: [u8; 32], other: [u8; 32], twenty: [u8; 20], v: u8, number: u128) {
        comes_back(&Address(twenty));
        comes_back(&Hash(word));
        comes_back(&TeeId(word));
        comes_back(&Uint256(word));
        comes_back(&Uint256::from(number));
        comes_back(&Signature { r: word, s: other, v });
        comes_back(&PasskeyPublicKey { x: word, y: other });
        comes_back(&BoundedBytes::<52>::new([&word[..], &twenty].concat()).unwrap());
        json_comes_back(&Wei(number));
        prop_assert_eq!(Quantity(number).to_string().parse(), Ok(Quantity(number)));
    }
}

#[test]
fn every_named_value_survives_a_round_trip_through_text() {
    EntryPointVersion::ALL.iter().for_each(comes_back);
    SignatureScheme::ALL.iter().for_each(comes_back);
    comes_back(&AccountId::of_credential(b"credential"));
    for bits in 1..=Permissions::ALL.0 {
        let permissions = Permissions(bits);
        assert_eq!(permissions.to_string().parse(), Ok(permissions));
        json_comes_back(&permissions);
    }
    assert_eq!(serde_json::to_value(Permissions::SPONSOR | Permissions::ROTATE).unwrap(), json!(["sponsor", "rotate"]));
}

/// The wire carries the bytes in sequence, with nothing in between.
#[test]
fn the_wire_carries_no_text() {
    let (x, y) = ([1; 32], [2; 32]);
    assert_eq!(frame::encode_record(&Address([7; 20])).unwrap(), [7; 20]);
    assert_eq!(frame::encode_record(&TeeId(x)).unwrap(), x);
    assert_eq!(frame::encode_record(&Uint256(x)).unwrap(), x);
    assert_eq!(frame::encode_record(&PasskeyPublicKey { x, y }).unwrap(), [x, y].concat());
    let signature = Signature { r: x, s: y, v: 27 };
    assert_eq!(frame::encode_record(&signature).unwrap(), signature.to_bytes());
    assert_eq!(frame::encode_record(&Permissions(300)).unwrap(), [0xac, 0x02]);
    assert_eq!(frame::encode_record(&Wei(300)).unwrap(), [0xac, 0x02]);
    assert_eq!(frame::encode_record(&BoundedBytes::<3>::new(vec![9, 8]).unwrap()).unwrap(), [2, 9, 8]);
}

#[test]
fn a_malformed_text_is_refused_with_the_expected_form() {
    let zeros = "0".repeat(64);
    let problem = |parsed: Result<(), ParseError>| parsed.unwrap_err().to_string();
    let of = |text: &str| text.parse::<TeeId>().map(drop);
    assert_eq!(problem(of(&zeros)), "expected hex starting with 0x");
    assert_eq!(problem(of("0x00")), "expected 32 bytes in hex");
    assert_eq!(problem(of(&format!("0x{zeros}00"))), "expected 32 bytes in hex");
    assert_eq!(problem(of(&format!("0x{}zz", &zeros[2..]))), "expected 32 bytes in hex");

    let of = |text: &str| text.parse::<BoundedBytes<2>>().map(drop);
    assert_eq!(problem(of("0x000000")), "more than 2 bytes");
    assert_eq!(problem(of("0x000")), "an odd number of hex digits");
    assert_eq!(problem(of("0x00\n0")), r"expected a hex digit, found '\n' at offset 2");
    assert_eq!(problem(of("0xé")), "expected a hex digit, found 'é' at offset 0");

    let of = |text: &str| text.parse::<Quantity<u64>>().map(drop);
    for text in ["0x", "0x+1", "0x-1", "0x1g"] {
        assert_eq!(problem(of(text)), "expected a quantity in hex", "{text}");
        assert_eq!(problem(text.parse::<Uint256>().map(drop)), "expected a quantity in hex", "{text}");
    }
    assert_eq!(problem(of("0x10000000000000000")), "expected a quantity of at most 64 bits in hex");
    assert_eq!(
        problem(format!("0x{zeros}0").parse::<Uint256>().map(drop)),
        "expected a quantity of at most 256 bits in hex"
    );
    let over = format!("0x1{}", "0".repeat(32));
    assert_eq!(problem(over.parse::<Wei>().map(drop)), "expected a quantity of at most 128 bits in hex");
    assert_eq!(problem("300".parse::<Wei>().map(drop)), "expected hex starting with 0x");

    let of = |text: &str| text.parse::<PasskeyPublicKey>().map(drop);
    for text in ["0x04".to_owned(), format!("0x02{zeros}{zeros}")] {
        assert_eq!(problem(of(&text)), "expected 65 bytes in hex, 04 and two coordinates");
    }
}

#[test]
fn an_unknown_word_is_refused_with_the_accepted_words() {
    let expected = |words: Vec<&str>| format!("expected one of {}", words.join(", "));
    let versions = EntryPointVersion::ALL.map(EntryPointVersion::as_str).to_vec();
    assert_eq!("0.5".parse::<EntryPointVersion>().unwrap_err().to_string(), expected(versions));
    let schemes = SignatureScheme::ALL.map(SignatureScheme::as_str).to_vec();
    assert_eq!("eip712".parse::<SignatureScheme>().unwrap_err().to_string(), expected(schemes));
    let permissions = Permissions::ALL.names().collect();
    assert_eq!("sponsor, all".parse::<Permissions>().unwrap_err().to_string(), expected(permissions));
}

#[test]
fn a_number_is_read_from_a_number_and_from_text() {
    for (json, number) in [(json!(300), 300), (json!("0x12c"), 300), (json!("0x0"), 0), (json!("0x0012c"), 300)] {
        assert_eq!(serde_json::from_value(json.clone()).ok(), Some(Quantity::<u64>(number)), "{json}");
        assert_eq!(serde_json::from_value(json.clone()).ok(), Some(Wei(number.into())), "{json}");
    }
    assert_eq!(serde_json::to_value(Quantity(300u64)).unwrap(), "0x12c");
    assert_eq!(serde_json::to_value(Wei(300)).unwrap(), "0x12c");
    let refused = |json: Value| serde_json::from_value::<Quantity<u32>>(json).unwrap_err().to_string();
    assert_eq!(refused(json!(1u64 << 32)), "invalid value: integer `4294967296`, expected a number of at most 32 bits");
    assert!(refused(json!(-1)).contains("expected a whole number, or a hex quantity in a string"));
    assert!(refused(json!(1.5)).contains("expected a whole number, or a hex quantity in a string"));
}

#[test]
fn alloy_s_types_hold_the_same_bytes() {
    let address = EntryPointVersion::V07.canonical_address();
    let theirs = alloy_primitives::Address::from(address);
    assert_eq!((theirs.to_string(), Address::from(theirs)), (address.to_string(), address));
    let hash = Hash(core::array::from_fn(|index| u8::try_from(index).unwrap()));
    let theirs = alloy_primitives::B256::from(hash);
    assert_eq!((theirs.to_string(), Hash::from(theirs)), (hash.to_string(), hash));
    let number = Uint256::from(0x0102u128);
    let theirs: alloy_primitives::U256 = number.into();
    assert_eq!((theirs, Uint256::from(theirs)), (alloy_primitives::U256::from(0x0102), number));
}
