//! Identifiers: fixed-length bytes, written as lower-case hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{RefOr, schema};
use utoipa::{PartialSchema, ToSchema};

/// A text that is not an identifier of the kind that was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Wrong length or other characters than 0-9 and a-f.
    #[error("`{found}` is not {what}: expected {digits} lower-case hexadecimal digits")]
    Hex {
        /// What was expected, such as `a job id`.
        what: &'static str,
        /// Digits expected.
        digits: usize,
        /// What was found, cut short.
        found: String,
    },
    /// A model's id with other characters or of a length that no model has.
    #[error("`{found}` is not a model's id: expected 1 to {most} characters out of a-z, 0-9, `.`, `_`, `-`, beginning with a letter or digit", most = ModelId::MAX_CHARS)]
    Model {
        /// What was found, cut short.
        found: String,
    },
}

/// Longest part of a wrong id that an error repeats.
const SHOWN_CHARS: usize = 48;

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn read_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

fn text_schema(pattern: String, description: &str, example: String) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .pattern(Some(pattern))
        .description(Some(description))
        .examples([serde_json::Value::String(example)])
        .into()
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $bytes]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                read_hex(text).map(Self).ok_or_else(|| IdError::Hex {
                    what: $what,
                    digits: 2 * $bytes,
                    found: shown(text),
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // Query strings and JSON hand over owned text as well as borrowed.
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<schema::Schema> {
                text_schema(format!("^[0-9a-f]{{{}}}$", 2 * $bytes), $what, Self([0x5a; $bytes]).to_string())
            }
        }

        impl ToSchema for $name {}
    };
}

hex_id!(
    /// A job: 128 random bits.
    JobId, 16, "a job id"
);
hex_id!(
    /// Chosen at random by a client for one request that moves money. The same request sent again under the same id is
    /// answered like the first time and has no second effect, so a client may repeat it after a lost answer.
    RequestId, 16, "a request id"
);
hex_id!(
    /// A node's Ed25519 public key: peer, miner and account in one.
    NodeId, 32, "a node id"
);
hex_id!(
    /// A SHA-256 digest.
    Digest, 32, "a digest"
);

impl NodeId {
    /// The first eight digits, for lists.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(8).collect()
    }
}

/// A model's id in the catalogue, such as `starter`: 1 to 64 characters out of `a-z`, `0-9`, `.`, `_`, `-`, beginning with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ModelId(String);

impl ModelId {
    /// Longest id.
    pub const MAX_CHARS: usize = 64;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ModelId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
        let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let fits = text.len() <= Self::MAX_CHARS && text.starts_with(first) && text.chars().all(inner);
        if fits { Ok(Self(text.to_owned())) } else { Err(IdError::Model { found: shown(text) }) }
    }
}

impl<'de> Deserialize<'de> for ModelId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl PartialSchema for ModelId {
    fn schema() -> RefOr<Schema> {
        let pattern = format!("^[a-z0-9][a-z0-9._-]{{0,{}}}$", Self::MAX_CHARS - 1);
        text_schema(pattern, "a model's id", "starter".to_owned())
    }
}

impl ToSchema for ModelId {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hex_round_trips(bytes: [u8; 16]) {
            prop_assert_eq!(JobId(bytes).to_string().parse::<JobId>().unwrap(), JobId(bytes));
        }

        #[test]
        fn anything_else_is_refused(text in ".{0,80}") {
            let fits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            prop_assert_eq!(text.parse::<JobId>().is_ok(), fits);
        }
    }

    #[test]
    fn ids_have_one_spelling() {
        for wrong in
            ["", "..", "00", &"A".repeat(32), &"g".repeat(32), &"0".repeat(33), "../../../../../../etc/passwd/////"]
        {
            assert!(wrong.parse::<JobId>().is_err(), "{wrong}");
        }
        let error = "x\n".parse::<JobId>().unwrap_err();
        assert_eq!(error.to_string(), "`x?` is not a job id: expected 32 lower-case hexadecimal digits");
    }

    #[test]
    fn model_ids_can_not_leave_a_folder() {
        for right in ["starter", "zeroscope_v2-576w", "0", "a.b"] {
            assert_eq!(right.parse::<ModelId>().unwrap().as_str(), right);
        }
        for wrong in ["", ".", "..", ".hidden", "-x", "a/b", "a\\b", "A", "a b", "%2e", &"a".repeat(65)] {
            assert!(wrong.parse::<ModelId>().is_err(), "{wrong}");
        }
    }
}
