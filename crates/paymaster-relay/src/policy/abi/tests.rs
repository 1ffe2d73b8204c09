//! The canonical encoding, against that of alloy.

use alloy_primitives::{Bytes, U256, address};
use alloy_sol_types::{SolCall, sol};

use super::*;

sol! {
    function flat(address to, uint256 amount, bool flag, bytes4 tag, int64 delta);
    function mixed(bytes data, uint8 kind, string name, uint256[] list, bytes[] parts, uint16[2] pair);

    struct Order {
        address token;
        uint256 amount;
    }
    struct Note {
        string text;
        Order order;
    }
    function nested(Order[] orders, Note note, Order single, uint256 last, Note[2] both);
}

fn order() -> Order {
    Order { token: address!("00000000000000000000000000000000000000aa"), amount: U256::from(7) }
}

fn samples() -> [(&'static str, Vec<u8>); 3] {
    let note = || Note { text: "a note of more than one word, to be padded".to_owned(), order: order() };
    [
        (
            flatCall::SIGNATURE,
            flatCall { to: order().token, amount: U256::MAX, flag: true, tag: [1, 2, 3, 4].into(), delta: -5 }
                .abi_encode(),
        ),
        (
            mixedCall::SIGNATURE,
            mixedCall {
                data: Bytes::from_static(&[1; 33]),
                kind: 9,
                name: String::new(),
                list: vec![U256::from(1), U256::from(2)],
                parts: vec![Bytes::new(), Bytes::from_static(&[2; 32]), Bytes::from_static(&[3])],
                pair: [1, 2],
            }
            .abi_encode(),
        ),
        (
            nestedCall::SIGNATURE,
            nestedCall {
                orders: vec![order(), order()],
                note: note(),
                single: order(),
                last: U256::from(3),
                both: [note(), note()],
            }
            .abi_encode(),
        ),
    ]
}

#[test]
fn what_alloy_encodes_is_canonical_and_has_its_selector() {
    for (signature, encoded) in samples() {
        let function = Function::parse(signature).unwrap();
        assert_eq!(function.selector, encoded[..4], "{signature}");
        assert_eq!(function.arguments(&encoded), Ok(&encoded[4..]), "{signature}");
    }
}

#[test]
fn no_change_of_a_byte_that_leaves_the_value_as_it_is_passes() {
    for (signature, encoded) in samples() {
        let function = Function::parse(signature).unwrap();
        for at in 4..encoded.len() {
            for bit in 0..8 {
                let mut changed = encoded.clone();
                changed[at] ^= 1 << bit;
                // What still passes is what alloy makes of the changed value.
                if function.arguments(&changed).is_ok() {
                    let again = match signature {
                        flatCall::SIGNATURE => flatCall::abi_decode(&changed).unwrap().abi_encode(),
                        mixedCall::SIGNATURE => mixedCall::abi_decode(&changed).unwrap().abi_encode(),
                        _ => nestedCall::abi_decode(&changed).unwrap().abi_encode(),
                    };
                    assert!(again == changed, "{signature} {at}");
                }
            }
        }
        for wrong in [&encoded[..encoded.len() - 32], &[&encoded[..], &[0; 32]].concat(), &encoded[..4], &encoded[..3]]
        {
            assert_eq!(function.arguments(wrong), Err(NotCanonical), "{signature}");
        }
    }
}

#[test]
fn huge_offsets_and_lengths_are_refused_without_work() {
    let function = Function::parse("f(uint256[],(bytes,uint8)[])").unwrap();
    for length in [u64::from(u32::MAX), 1 << 31, u64::MAX] {
        let words = [U256::from(64), U256::from(96), U256::from(length)];
        let encoded = words.iter().fold(vec![0; 4], |all, word| [all, word.to_be_bytes::<32>().to_vec()].concat());
        assert_eq!(function.arguments(&encoded), Err(NotCanonical));
    }
}

#[test]
fn a_signature_is_read_in_the_form_that_selectors_are_made_of() {
    for signature in ["f()", "_f$1(address)", "f(((uint8)[],bytes32)[3][],string)", "f(int8,uint256,bytes1)"] {
        assert!(Function::parse(signature).is_ok(), "{signature}");
    }
    let deep = format!("f({}uint8{})", "(".repeat(9), ")".repeat(9));
    for signature in [
        "",
        "f",
        "(address)",
        "1f(address)",
        "f (address)",
        "f(address",
        "f(address))",
        "f(address,)",
        "f(,address)",
        "f( address)",
        "f(address to)",
        "f(uint)",
        "f(int)",
        "f(uint0)",
        "f(uint7)",
        "f(uint264)",
        "f(uint08)",
        "f(bytes0)",
        "f(bytes33)",
        "f(function)",
        "f(())",
        "f(uint8[0])",
        "f(uint8[)",
        "f(uint8[-1])",
        "f(uint8[999999][999999])",
        "f(address)returns(bool)",
        &deep,
    ] {
        assert!(Function::parse(signature).is_err(), "{signature}");
    }
}

#[test]
fn a_single_value_can_be_compared_and_nothing_else() {
    let function = Function::parse("f((address,uint8),bytes,uint8,address,bool,bytes4,int8,uint8[])").unwrap();
    for index in [0, 1, 7, 8] {
        assert!(function.argument(index).is_err(), "{index}");
    }
    let argument = |index| function.argument(index).unwrap();
    assert_eq!(argument(2).offset, 96);
    for (index, good, bad) in [
        (2, &["0", "255", "0xff"][..], &["256", "-1", "", "0x", "1e2", "0x1g", "1_0", "+1"][..]),
        (3, &["0x00000000000000000000000000000000000000AA"], &["0x00", "alice"]),
        (4, &["true", "false"], &["1", "True"]),
        (5, &["0xa9059cbb"], &["a9059cbb", "0xa9059c", "0xa9059cbb00"]),
        (6, &[], &["1"]),
    ] {
        for text in good {
            let word = argument(index).word(text).unwrap();
            assert!(argument(index).kind.is_canonical(&word), "{index} {text}");
        }
        for text in bad {
            assert!(argument(index).word(text).is_err(), "{index} {text}");
        }
    }
    assert!(Word::Int(1).is_canonical(&[0xff; 32]) && !Word::Int(1).is_canonical(&U256::from(0x80).to_be_bytes()));
}
