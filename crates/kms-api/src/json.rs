//! JSON forms that differ from the default of their types.

use proto::Quantity;
use serde::{Deserialize, Deserializer};

/// A number written as a JSON number; a hex quantity is accepted too.
pub(crate) fn number<'de, D: Deserializer<'de>, T: TryFrom<u128>>(deserializer: D) -> Result<T, D::Error> {
    Quantity::deserialize(deserializer).map(|Quantity(number)| number)
}

/// Bytes in WebAuthn's encoding: base64url without padding.
pub(crate) mod base64url {
    use proto::bytes::BoundedBytes;
    use proto::json::passkey::{base64url, to_base64url};
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer, const MAX: usize>(
        bytes: &BoundedBytes<MAX>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_base64url(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const MAX: usize>(
        deserializer: D,
    ) -> Result<BoundedBytes<MAX>, D::Error> {
        base64url(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
