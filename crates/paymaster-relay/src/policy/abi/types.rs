//! The types of arguments, as signatures name them.

use alloy_primitives::U256;
use proto::Address;
use proto::json::Excerpt;

use super::WORD;

/// Tuples and lists inside of each other.
const MAX_DEPTH: usize = 8;
/// Bytes that the fixed part of a value may have.
const MAX_HEAD: usize = 1 << 16;

/// A type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// One word.
    Word(Word),
    /// `bytes`.
    Bytes,
    /// `string`: UTF-8.
    Text,
    /// `T[]`.
    List(Box<Type>),
    /// `T[k]`.
    Array(Box<Type>, usize),
    /// `(T, U)`.
    Tuple(Vec<Type>),
}

/// The type of a single word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Address,
    Bool,
    /// With that many bytes.
    Uint(usize),
    /// With that many bytes.
    Int(usize),
    /// `bytes32` and shorter, with that many bytes.
    Bytes(usize),
}

impl Type {
    pub(super) fn is_dynamic(&self) -> bool {
        match self {
            Self::Word(_) => false,
            Self::Bytes | Self::Text | Self::List(_) => true,
            Self::Array(item, _) => item.is_dynamic(),
            Self::Tuple(types) => types.iter().any(Self::is_dynamic),
        }
    }

    /// Bytes in the head of a sequence: of a dynamic value only its offset.
    pub(super) fn head(&self) -> usize {
        match self {
            kind if kind.is_dynamic() => WORD,
            Self::Word(_) | Self::Bytes | Self::Text | Self::List(_) => WORD,
            Self::Array(item, count) => item.head() * count,
            Self::Tuple(types) => types.iter().map(Self::head).sum(),
        }
    }
}

impl Word {
    /// Whether the word is the canonical encoding of a value.
    pub(super) fn is_canonical(self, word: &[u8; WORD]) -> bool {
        let all = |bytes: &[u8], value: u8| bytes.iter().all(|byte| *byte == value);
        match self {
            Self::Address => all(&word[..12], 0),
            Self::Bool => all(&word[..WORD - 1], 0) && word[WORD - 1] <= 1,
            Self::Uint(bytes) => all(&word[..WORD - bytes], 0),
            Self::Int(bytes) => {
                let (sign, value) = word.split_at(WORD - bytes);
                let is_negative = value.first().is_some_and(|first| first & 0x80 != 0);
                all(sign, if is_negative { 0xff } else { 0 })
            }
            Self::Bytes(bytes) => all(&word[bytes..], 0),
        }
    }

    /// A value from settings.
    pub(super) fn encode(self, text: &str) -> Result<[u8; WORD], String> {
        let expected = |what: &str| format!("{:?} is not {what}", Excerpt(text).to_string());
        let mut word = [0; WORD];
        match self {
            Self::Address => {
                let address: Address = text.parse().map_err(|error| format!("{}: {error}", expected("an address")))?;
                word[12..].copy_from_slice(&address.0);
            }
            Self::Bool => {
                word[WORD - 1] = match text {
                    "true" => 1,
                    "false" => 0,
                    _ => return Err(expected("true or false")),
                };
            }
            Self::Uint(bytes) => {
                let (digits, radix) = text.strip_prefix("0x").map_or((text, 10), |digits| (digits, 16));
                let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_alphanumeric());
                let number = U256::from_str_radix(digits, radix).ok().filter(|_| is_number);
                let number = number.filter(|number| number.bit_len() <= bytes * 8);
                let what = format!("a number of uint{}, in decimal, or in hex with 0x", bytes * 8);
                word = number.ok_or_else(|| expected(&what))?.to_be_bytes();
            }
            Self::Bytes(bytes) => {
                let digits = text.strip_prefix("0x").unwrap_or_default();
                let what = format!("{bytes} bytes in hex with 0x");
                hex::decode_to_slice(digits, &mut word[..bytes]).map_err(|_| expected(&what))?;
            }
            Self::Int(_) => return Err("signed numbers cannot be compared".to_owned()),
        }
        Ok(word)
    }
}

/// The types of the arguments of `name(type,…)`, without spaces and names.
pub(super) fn parse_signature(signature: &str) -> Result<Vec<Type>, String> {
    let unusable = |problem: &str| format!("signature {:?}: {problem}", Excerpt(signature).to_string());
    let (name, rest) = signature.split_once('(').ok_or_else(|| unusable("no arguments in brackets"))?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$';
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) || !name.bytes().all(is_name) {
        return Err(unusable("no name of a function before the arguments"));
    }
    match tuple(rest, MAX_DEPTH).map_err(|problem| unusable(&problem))? {
        (types, "") => Ok(types),
        (_, rest) => Err(unusable(&format!("{:?} after the arguments", Excerpt(rest).to_string()))),
    }
}

/// The types up to the closing bracket, and what comes after it.
fn tuple(mut rest: &str, depth: usize) -> Result<(Vec<Type>, &str), String> {
    let depth = depth.checked_sub(1).ok_or("too many brackets inside of each other")?;
    if let Some(rest) = rest.strip_prefix(')') {
        return Ok((Vec::new(), rest));
    }
    let mut types = Vec::new();
    loop {
        let (kind, after) = one(rest, depth)?;
        types.push(kind);
        if types.iter().map(Type::head).sum::<usize>() > MAX_HEAD {
            return Err("the arguments are too long".to_owned());
        }
        if let Some(after) = after.strip_prefix(')') {
            return Ok((types, after));
        }
        rest = after.strip_prefix(',').ok_or("expected a comma or the closing bracket")?;
    }
}

fn one(rest: &str, depth: usize) -> Result<(Type, &str), String> {
    let (mut kind, mut rest) = match rest.strip_prefix('(') {
        Some(inner) => match tuple(inner, depth)? {
            (types, _) if types.is_empty() => return Err("an empty tuple".to_owned()),
            (types, after) => (Type::Tuple(types), after),
        },
        None => {
            let end = rest.find(|char: char| !char.is_ascii_alphanumeric()).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            (elementary(name)?, after)
        }
    };
    while let Some(inner) = rest.strip_prefix('[') {
        let (count, after) = inner.split_once(']').ok_or("a list without its closing bracket")?;
        kind = match count {
            "" => Type::List(Box::new(kind)),
            count => {
                let count = number(count).filter(|count| *count > 0).ok_or("a list of no usable length")?;
                if kind.head().checked_mul(count).is_none_or(|head| head > MAX_HEAD) {
                    return Err("a list is too long".to_owned());
                }
                Type::Array(Box::new(kind), count)
            }
        };
        rest = after;
    }
    Ok((kind, rest))
}

fn elementary(name: &str) -> Result<Type, String> {
    let word = match name {
        "address" => Some(Word::Address),
        "bool" => Some(Word::Bool),
        "bytes" => return Ok(Type::Bytes),
        "string" => return Ok(Type::Text),
        _ => {
            let bits = |digits| number(digits).filter(|bits| bits % 8 == 0 && (8..=256).contains(bits));
            let sized = |prefix| name.strip_prefix(prefix);
            sized("uint")
                .and_then(bits)
                .map(|bits| Word::Uint(bits / 8))
                .or_else(|| sized("int").and_then(bits).map(|bits| Word::Int(bits / 8)))
                .or_else(|| sized("bytes").and_then(number).filter(|bytes| (1..=WORD).contains(bytes)).map(Word::Bytes))
        }
    };
    word.map(Type::Word).ok_or_else(|| {
        let found = Excerpt(name).to_string();
        format!("{found:?} is no type; write uint256, not uint, and neither names nor spaces")
    })
}

/// Without a leading zero.
fn number(digits: &str) -> Option<usize> {
    let is_number = !digits.starts_with('0') && digits.len() <= 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}
