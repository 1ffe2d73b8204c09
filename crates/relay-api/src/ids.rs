//! Ids that no answer can contain. jsonrpsee treats a request with such an id as a notification and
//! answers nothing; over HTTP it is given a replacement that it refuses.

use jsonrpsee::types::Id;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// Refused as a request with id null, alone and in a batch.
const NO_REQUEST: &str = r#"{"id":null}"#;
const NO_ENTRY: &str = "null";

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default, rename = "id")]
    _id: Option<Id<'a>>,
}

/// The replacement for a body; `None` if the body itself is usable.
#[must_use]
pub fn in_place_of(body: &[u8]) -> Option<String> {
    let Ok(text) = str::from_utf8(body) else {
        // Not JSON: an empty body is refused as such.
        return Some(String::new());
    };
    match text.trim_start().chars().next() {
        Some('{') => (!is_usable(text)).then(|| NO_REQUEST.to_owned()),
        Some('[') => in_place_of_batch(&serde_json::from_str::<Vec<&RawValue>>(text).ok()?),
        _ => None,
    }
}

fn in_place_of_batch(entries: &[&RawValue]) -> Option<String> {
    let usable: Vec<_> = entries.iter().map(|entry| is_usable_entry(entry.get())).collect();
    if usable.iter().all(|usable| *usable) {
        return None;
    }
    let entries = entries.iter().zip(usable).map(|(entry, usable)| if usable { entry.get() } else { NO_ENTRY });
    Some(format!("[{}]", entries.collect::<Vec<_>>().join(",")))
}

/// serde accepts a list as an object without names; JSON-RPC does not.
fn is_usable_entry(entry: &str) -> bool {
    entry.starts_with('{') && is_usable(entry)
}

/// Whether jsonrpsee supports its id, or there is none. Invalid JSON is left to jsonrpsee.
fn is_usable(message: &str) -> bool {
    serde_json::from_str::<Message<'_>>(message).is_ok() || serde_json::from_str::<IgnoredAny>(message).is_err()
}
