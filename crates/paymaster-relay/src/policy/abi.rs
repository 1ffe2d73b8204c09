//! Arguments of calls, by the signature of a function. Only the canonical encoding is read: every
//! offset points to the next free place, all padding is zero, nothing is left over. It is the one
//! that encoding the decoded values again gives, so that no other parser can read the bytes
//! differently.

mod types;

use alloy_primitives::keccak256;

use types::{Type, Word};

const SELECTOR: usize = 4;
const WORD: usize = 32;

/// A function that may be called, by its signature.
#[derive(Clone, Debug)]
pub(super) struct Function {
    pub(super) selector: [u8; 4],
    arguments: Vec<Type>,
}

/// An argument that conditions can be about: one word.
#[derive(Clone, Copy, Debug)]
pub(super) struct Argument {
    kind: Word,
    /// Of its word, from the first argument on.
    offset: usize,
}

/// The arguments are not encoded canonically, or are others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotCanonical;

impl Function {
    /// From `transfer(address,uint256)`, in the form from which selectors are computed.
    pub(super) fn parse(signature: &str) -> Result<Self, String> {
        let arguments = types::parse_signature(signature)?;
        let selector = keccak256(signature).0;
        let [first, second, third, fourth, ..] = selector;
        Ok(Self { selector: [first, second, third, fourth], arguments })
    }

    /// The argument with that index, from 0.
    pub(super) fn argument(&self, index: usize) -> Result<Argument, String> {
        let count = self.arguments.len();
        match self.arguments.get(index) {
            Some(Type::Word(kind)) => {
                let before = self.arguments.iter().take(index);
                Ok(Argument { kind: *kind, offset: before.map(Type::head).sum() })
            }
            Some(_) => Err(format!("argument {index} is no single value that can be compared")),
            None => Err(format!("there is no argument {index}: the signature has {count}, counted from 0")),
        }
    }

    /// The encoded arguments of a call.
    pub(super) fn arguments<'c>(&self, call_data: &'c [u8]) -> Result<&'c [u8], NotCanonical> {
        let encoded = call_data.get(SELECTOR..).ok_or(NotCanonical)?;
        match read_all(&mut self.arguments.iter(), self.arguments.iter().map(Type::head).sum(), encoded)? {
            length if length == encoded.len() => Ok(encoded),
            _ => Err(NotCanonical),
        }
    }
}

impl Argument {
    /// A value of the argument's type, as its word.
    pub(super) fn word(&self, text: &str) -> Result<[u8; WORD], String> {
        self.kind.encode(text)
    }

    /// Whether values of its type have an order.
    pub(super) const fn is_number(&self) -> bool {
        matches!(self.kind, Word::Uint(_))
    }

    /// Its word in the arguments of a call.
    pub(super) fn of(&self, arguments: &[u8]) -> Option<[u8; WORD]> {
        word_at(arguments, self.offset).ok()
    }
}

fn word_at(encoded: &[u8], at: usize) -> Result<[u8; WORD], NotCanonical> {
    encoded.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(NotCanonical)
}

/// An offset or a length.
fn size_at(encoded: &[u8], at: usize) -> Result<usize, NotCanonical> {
    let word = word_at(encoded, at)?;
    let (high, low) = word.split_at(WORD - size_of::<u32>());
    let low: [u8; 4] = low.try_into().map_err(|_| NotCanonical)?;
    if high.iter().any(|byte| *byte != 0) {
        return Err(NotCanonical);
    }
    usize::try_from(u32::from_be_bytes(low)).map_err(|_| NotCanonical)
}

/// Reads values whose offsets count from the beginning of `encoded`. Returns their length.
fn read_all(types: &mut dyn Iterator<Item = &Type>, heads: usize, encoded: &[u8]) -> Result<usize, NotCanonical> {
    let (mut head, mut tail) = (0, heads);
    for kind in types {
        if kind.is_dynamic() {
            if size_at(encoded, head)? != tail {
                return Err(NotCanonical);
            }
            tail += read(kind, encoded.get(tail..).ok_or(NotCanonical)?)?;
        } else {
            read(kind, encoded.get(head..).ok_or(NotCanonical)?)?;
        }
        head += kind.head();
    }
    if tail <= encoded.len() { Ok(tail) } else { Err(NotCanonical) }
}

/// Reads one value at the beginning of `encoded`. Returns its length.
fn read(kind: &Type, encoded: &[u8]) -> Result<usize, NotCanonical> {
    match kind {
        Type::Word(kind) if kind.is_canonical(&word_at(encoded, 0)?) => Ok(WORD),
        Type::Word(_) => Err(NotCanonical),
        Type::Bytes => Ok(bytes_at(encoded)?.1),
        Type::Text => match bytes_at(encoded)? {
            (text, length) if str::from_utf8(text).is_ok() => Ok(length),
            _ => Err(NotCanonical),
        },
        Type::List(item) => {
            let items = encoded.get(WORD..).ok_or(NotCanonical)?;
            Ok(WORD + read_items(item, size_at(encoded, 0)?, items)?)
        }
        Type::Array(item, count) => read_items(item, *count, encoded),
        Type::Tuple(types) => read_all(&mut types.iter(), types.iter().map(Type::head).sum(), encoded),
    }
}

/// The bytes at the beginning of `encoded`, and the length of their encoding.
fn bytes_at(encoded: &[u8]) -> Result<(&[u8], usize), NotCanonical> {
    let count = size_at(encoded, 0)?;
    let padded = WORD + count.next_multiple_of(WORD);
    let (bytes, padding) = encoded.get(WORD..padded).ok_or(NotCanonical)?.split_at(count);
    if padding.iter().all(|byte| *byte == 0) { Ok((bytes, padded)) } else { Err(NotCanonical) }
}

fn read_items(item: &Type, count: usize, encoded: &[u8]) -> Result<usize, NotCanonical> {
    let heads = count.checked_mul(item.head()).filter(|heads| *heads <= encoded.len()).ok_or(NotCanonical)?;
    read_all(&mut std::iter::repeat_n(item, count), heads, encoded)
}

#[cfg(test)]
mod tests;
