//! Checks on a JSON document before it is parsed into values. No object may have duplicate keys:
//! readers differ in which one they take, so what one checks may not be what another uses. The
//! number of values is limited, since each takes many times the memory of the byte or two that
//! encodes it.

use alloc::collections::BTreeSet;
use alloc::string::String;
use core::cell::Cell;
use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::Excerpt;

/// Parses JSON for its keys and its number of values, including those in lists and objects. Keeps
/// nothing.
///
/// # Errors
/// Invalid JSON; with [`serde_json::error::Category::Data`], an object with a duplicate key, which
/// is named, or more than `most_values` values.
pub fn check_shape(json: &[u8], most_values: usize) -> Result<(), serde_json::Error> {
    let left = Cell::new(most_values);
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    Shape { left: &left, most_values }.deserialize(&mut deserializer)?;
    deserializer.end()
}

#[derive(Clone, Copy)]
struct Shape<'a> {
    left: &'a Cell<usize>,
    most_values: usize,
}

impl<'de> DeserializeSeed<'de> for Shape<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.ok_or_else(|| D::Error::custom(format_args!("more than {} values", self.most_values)))?);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shape<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(Error::custom(format_args!("duplicate key `{}`", Excerpt(&key))));
            }
            entries.next_value_seed(self)?;
            keys.insert(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use serde_json::error::Category;

    use super::*;

    #[test]
    fn values_are_counted_at_every_depth() {
        for (json, values) in
            [("1", 1), ("[]", 1), ("[1,2,[3,null]]", 6), (r#"{"a":{"b":null,"c":"x"},"d":[true]}"#, 6)]
        {
            assert!(check_shape(json.as_bytes(), values).is_ok(), "{json}");
            let error = check_shape(json.as_bytes(), values - 1).unwrap_err();
            assert_eq!(error.classify(), Category::Data, "{json}");
            assert!(error.to_string().contains("values"), "{error}");
        }
        assert_ne!(check_shape(b"[1] 2", 9).unwrap_err().classify(), Category::Data);
    }
}
