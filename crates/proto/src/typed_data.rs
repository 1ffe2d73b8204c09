//! EIP-712 typed data: what a wallet shows its user field by field, and its digest.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use crate::abi::{Word, hash_words, typed_data_hash};
use crate::primitives::{Address, Hash, keccak256};

/// The domain's name. The domain has no chain and no contract: a TEE serves several of both, and
/// the id in every message names the TEE.
pub const DOMAIN_NAME: &str = "SuperRelay TEE";
/// The domain's version.
pub const DOMAIN_VERSION: &str = "1";

/// The type of a struct (EIP-712, "Definition of typed structured data").
#[derive(Debug)]
pub struct StructType {
    /// As wallets show it.
    pub name: &'static str,
    /// In hashing order.
    pub fields: &'static [Field],
}

/// A field of a struct.
#[derive(Debug)]
pub struct Field {
    /// As wallets show it.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
}

/// The type of a value.
#[derive(Debug)]
pub enum Kind {
    /// `bytes32`.
    Bytes32,
    /// `uintN`.
    Uint(u16),
    /// `address`.
    Address,
    /// `string`.
    Text,
    /// A struct of that type.
    Struct(&'static StructType),
    /// An array of that type.
    List(&'static Kind),
}

/// A value, which must match its field's [`Kind`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `bytes32`.
    Bytes32([u8; 32]),
    /// Any `uintN` up to 128 bits.
    Uint(u128),
    /// `address`.
    Address(Address),
    /// `string`.
    Text(String),
    /// The fields of a struct, in the order of its type.
    Struct(Vec<Value>),
    /// The items of an array.
    List(Vec<Value>),
}

/// A message that is signed as typed data.
pub trait TypedData {
    /// Its type, named after the action.
    const TYPE: &'static StructType;

    /// Its fields, in the order of the type.
    fn values(&self) -> Vec<Value>;

    /// The signed digest: `keccak256("\x19\x01" ‖ domainSeparator ‖ hashStruct(message))`.
    fn digest(&self) -> Hash {
        typed_data_hash(&domain_separator(), &hash_struct(Self::TYPE, &self.values()))
    }
}

impl StructType {
    /// This type, then the structs it refers to, sorted by name (EIP-712, "Definition of
    /// encodeType").
    #[must_use]
    pub fn with_referenced(&'static self) -> Vec<&'static Self> {
        let mut referenced = Vec::new();
        self.refer(&mut referenced);
        referenced.sort_by_key(|referenced| referenced.name);
        referenced.retain(|referenced| referenced.name != self.name);
        referenced.insert(0, self);
        referenced
    }

    fn refer(&'static self, known: &mut Vec<&'static Self>) {
        if known.iter().any(|other| other.name == self.name) {
            return;
        }
        known.push(self);
        for field in self.fields {
            let mut kind = &field.kind;
            while let Kind::List(item) = kind {
                kind = item;
            }
            if let Kind::Struct(referenced) = kind {
                referenced.refer(known);
            }
        }
    }

    /// The fields of this type and of the structs it refers to (EIP-712, "Definition of
    /// encodeType").
    #[must_use]
    pub fn encode_type(&'static self) -> String {
        let mut text = String::new();
        for each in self.with_referenced() {
            text.push_str(each.name);
            for (index, field) in each.fields.iter().enumerate() {
                text.push(if index == 0 { '(' } else { ',' });
                text.push_str(&field.kind.name());
                text.push(' ');
                text.push_str(field.name);
            }
            text.push(')');
        }
        text
    }
}

impl Kind {
    /// The Solidity name.
    #[must_use]
    pub fn name(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = match self {
            Self::Bytes32 => text.write_str("bytes32"),
            Self::Uint(bits) => write!(text, "uint{bits}"),
            Self::Address => text.write_str("address"),
            Self::Text => text.write_str("string"),
            Self::Struct(of) => text.write_str(of.name),
            Self::List(item) => write!(text, "{}[]", item.name()),
        };
        text
    }

    fn item(&self) -> &Self {
        match self {
            Self::List(item) => item,
            other => other,
        }
    }
}

fn domain_separator() -> Hash {
    hash_words(&[
        &keccak256("EIP712Domain(string name,string version)"),
        &keccak256(DOMAIN_NAME),
        &keccak256(DOMAIN_VERSION),
    ])
}

fn hash_struct(of: &'static StructType, values: &[Value]) -> Hash {
    let mut encoded = keccak256(of.encode_type()).0.to_vec();
    for (field, value) in of.fields.iter().zip(values) {
        encoded.extend(encode(&field.kind, value));
    }
    keccak256(encoded)
}

/// `encodeData` of one value.
fn encode(kind: &Kind, value: &Value) -> [u8; 32] {
    match value {
        Value::Bytes32(word) => *word,
        Value::Uint(number) => number.word(),
        Value::Address(address) => address.word(),
        Value::Text(text) => keccak256(text).0,
        Value::Struct(values) => match kind {
            Kind::Struct(of) => hash_struct(of, values).0,
            _ => [0; 32],
        },
        Value::List(items) => {
            let words: Vec<u8> = items.iter().flat_map(|item| encode(kind.item(), item)).collect();
            keccak256(words).0
        }
    }
}
