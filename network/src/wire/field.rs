//! Fields: opaque bytes, fixed-width values, lists with a bound.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::WireError;
use crate::proof::{Digest, PublicKey, Signature};

/// Bytes that this module does not look into: an encoding of the proof or of the ledger. `Debug` shows the length alone,
/// because prompts are among them.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Opaque(#[serde(with = "serde_bytes")] pub Vec<u8>);

impl From<Vec<u8>> for Opaque {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<Opaque> for Vec<u8> {
    fn from(bytes: Opaque) -> Self {
        bytes.0
    }
}

impl Deref for Opaque {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// A value of a fixed number of bytes.
pub(super) trait Fixed: Sized {
    fn bytes(&self) -> &[u8];
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
    const LEN: usize;
}

macro_rules! fixed_bytes {
    ($($name:ident: $len:literal),*) => { $(
        impl Fixed for $name {
            const LEN: usize = $len;

            fn bytes(&self) -> &[u8] {
                &self.0
            }

            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map($name)
            }
        }
    )* };
}

pub(super) use fixed_bytes;

fixed_bytes!(Digest: 32, PublicKey: 32, Signature: 64);

/// Fixed-width values as CBOR byte strings (their own serde form is hexadecimal, for files that people read).
pub(super) mod fixed {
    use serde::de::Error;

    use super::{Deserializer, Fixed, PhantomData, Serializer, Visitor, fmt};

    pub(in crate::wire) fn serialize<T: Fixed, S: Serializer>(value: &T, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_bytes(value.bytes())
    }

    pub(in crate::wire) fn deserialize<'de, T: Fixed, D: Deserializer<'de>>(input: D) -> Result<T, D::Error> {
        input.deserialize_bytes(FixedVisitor(PhantomData))
    }

    struct FixedVisitor<T>(PhantomData<T>);

    impl<T: Fixed> Visitor<'_> for FixedVisitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{} bytes", T::LEN)
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<T, E> {
            T::from_bytes(bytes).ok_or_else(|| E::invalid_length(bytes.len(), &self))
        }
    }
}

/// Reads a list of at most `MAX` items. Room is made for what comes, never for what is announced.
pub(super) fn list<'de, T: Deserialize<'de>, D: Deserializer<'de>, const MAX: usize>(
    input: D,
) -> Result<Vec<T>, D::Error> {
    struct ListVisitor<T, const MAX: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for ListVisitor<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            if let Some(announced) = items.size_hint()
                && announced > MAX
            {
                return Err(A::Error::invalid_length(announced, &self));
            }
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                if list.len() == MAX {
                    return Err(A::Error::invalid_length(MAX + 1, &self));
                }
                list.push(item);
            }
            Ok(list)
        }
    }

    input.deserialize_seq(ListVisitor::<T, MAX>(PhantomData))
}

/// Checks of one message's fields.
#[derive(Clone, Copy)]
pub(super) struct Fields(pub(super) &'static str);

impl Fields {
    pub(super) fn at_most(self, field: &'static str, len: usize, limit: usize) -> Result<(), WireError> {
        self.that(len <= limit, field, || format!("{len} long"), || format!("at most {limit}"))
    }

    pub(super) fn within(self, field: &'static str, value: u64, least: u64, most: u64) -> Result<(), WireError> {
        self.that((least..=most).contains(&value), field, || value.to_string(), || format!("{least} to {most}"))
    }

    /// Text of at most `limit` bytes without control characters, because it ends on somebody's screen.
    pub(super) fn text(self, field: &'static str, text: &str, limit: usize) -> Result<(), WireError> {
        self.at_most(field, text.len(), limit)?;
        let control = text.chars().any(char::is_control);
        self.that(!control, field, || text.escape_debug().to_string(), || "text without control characters".to_owned())
    }

    /// A stable code: `network.timeout`.
    pub(super) fn code(self, field: &'static str, code: &str) -> Result<(), WireError> {
        let fine = code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._".contains(&byte));
        self.that(
            fine && !code.is_empty() && code.len() <= MAX_CODE_BYTES,
            field,
            || format!("{code:?}"),
            || format!("1 to {MAX_CODE_BYTES} of a-z, 0-9, `.` and `_`"),
        )
    }

    pub(super) fn that(
        self,
        fine: bool,
        field: &'static str,
        found: impl FnOnce() -> String,
        expected: impl FnOnce() -> String,
    ) -> Result<(), WireError> {
        if fine {
            return Ok(());
        }
        Err(WireError::Field { message: self.0, field, found: shortened(found()), expected: expected() })
    }
}

const MAX_CODE_BYTES: usize = 64;

/// A hostile value must not fill the log.
fn shortened(text: String) -> String {
    const LIMIT: usize = 80;
    if text.chars().count() <= LIMIT { text } else { text.chars().take(LIMIT).chain("...".chars()).collect() }
}
