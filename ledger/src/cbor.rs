//! The canonical encoding: the part of CBOR that the ledger needs, in the one form that RFC 8949, section 4.2.1, calls core
//! deterministic.
//!
//! Unsigned integers, byte strings, text, arrays and booleans; definite lengths; every head as short as it can be. A reader
//! refuses any other form, so that every value has exactly one encoding and can be hashed and signed.

/// Bytes are not the canonical encoding of what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("`{field}` is cut off: {needed} bytes are needed and {left} are left")]
    Truncated {
        /// Field.
        field: &'static str,
        /// Bytes it needs.
        needed: u64,
        /// Bytes there are.
        left: u64,
    },
    /// Another kind of value, or one in a longer form than needed.
    #[error("`{field}` begins with byte {found:#04x}, expected {expected} in its shortest form")]
    Form {
        /// Field.
        field: &'static str,
        /// First byte of what is there.
        found: u8,
        /// Kind of value.
        expected: &'static str,
    },
    /// A length is not what it must be, or above its bound.
    #[error("`{field}` has length {found}, expected {expected}")]
    Length {
        /// Field.
        field: &'static str,
        /// Its length.
        found: u64,
        /// What would do.
        expected: String,
    },
    /// A value that the field can't have.
    #[error("`{field}` is {found}, expected {expected}")]
    Value {
        /// Field.
        field: &'static str,
        /// Value.
        found: String,
        /// What would do.
        expected: &'static str,
    },
    /// Something follows the end.
    #[error("{bytes} bytes follow the end of the data")]
    Trailing {
        /// How many.
        bytes: usize,
    },
}

impl DecodeError {
    pub(crate) fn value(field: &'static str, found: &(impl ToString + ?Sized), expected: &'static str) -> Self {
        Self::Value { field, found: found.to_string(), expected }
    }

    /// A stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "ledger.decode.truncated",
            Self::Form { .. } => "ledger.decode.form",
            Self::Length { .. } => "ledger.decode.length",
            Self::Value { .. } => "ledger.decode.value",
            Self::Trailing { .. } => "ledger.decode.trailing",
        }
    }

    /// What to do about it, for people.
    pub fn next_step(&self) -> &'static str {
        "get the bytes again from where they came; if it stays, one side runs another version"
    }
}

const UINT: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;

/// Writes values one after another.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn head(&mut self, kind: u8, value: u64) -> &mut Self {
        let kind = kind << 5;
        // The shortest of the five forms; each arm's range fits the cast.
        match value {
            0..=23 => self.bytes.push(kind | value as u8),
            24..=0xff => self.bytes.extend([kind | 24, value as u8]),
            0x100..=0xffff => {
                self.bytes.push(kind | 25);
                self.bytes.extend((value as u16).to_be_bytes());
            }
            0x1_0000..=0xffff_ffff => {
                self.bytes.push(kind | 26);
                self.bytes.extend((value as u32).to_be_bytes());
            }
            _ => {
                self.bytes.push(kind | 27);
                self.bytes.extend(value.to_be_bytes());
            }
        }
        self
    }

    pub(crate) fn uint(&mut self, value: impl Into<u64>) -> &mut Self {
        self.head(UINT, value.into())
    }

    pub(crate) fn bytes(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        self.head(BYTES, bytes.len() as u64);
        self.bytes.extend(bytes);
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.head(TEXT, text.len() as u64);
        self.bytes.extend(text.as_bytes());
        self
    }

    pub(crate) fn bool(&mut self, value: bool) -> &mut Self {
        self.bytes.push(if value { TRUE } else { FALSE });
        self
    }

    /// The head of an array; its items follow.
    pub(crate) fn array(&mut self, items: usize) -> &mut Self {
        self.head(ARRAY, items as u64)
    }

    /// An array of no item or one.
    pub(crate) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        self.array(usize::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
        self
    }
}

/// Reads values one after another. Nothing is allocated that the input does not contain.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

type Result<T> = std::result::Result<T, DecodeError>;

impl<'a> Reader<'a> {
    /// Reads a whole value: nothing may follow it.
    pub(crate) fn whole<T>(bytes: &'a [u8], read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let mut reader = Self { rest: bytes };
        let value = read(&mut reader)?;
        if reader.rest.is_empty() { Ok(value) } else { Err(DecodeError::Trailing { bytes: reader.rest.len() }) }
    }

    fn take(&mut self, field: &'static str, len: u64) -> Result<&'a [u8]> {
        let left = self.rest.len() as u64;
        let split = usize::try_from(len).ok().and_then(|len| self.rest.split_at_checked(len));
        let (taken, rest) = split.ok_or(DecodeError::Truncated { field, needed: len, left })?;
        self.rest = rest;
        Ok(taken)
    }

    fn head(&mut self, field: &'static str, kind: u8, expected: &'static str) -> Result<u64> {
        let first = self.take(field, 1)?[0];
        let form = DecodeError::Form { field, found: first, expected };
        if first >> 5 != kind {
            return Err(form);
        }
        let short = first & 0x1f;
        let (width, least) = match short {
            0..=23 => return Ok(short.into()),
            24 => (1, 24),
            25 => (2, 0x100),
            26 => (4, 0x1_0000),
            27 => (8, 0x1_0000_0000),
            _ => return Err(form),
        };
        let value = self.take(field, width)?.iter().fold(0, |value, &byte| (value << 8) | u64::from(byte));
        if value < least { Err(form) } else { Ok(value) }
    }

    pub(crate) fn uint(&mut self, field: &'static str) -> Result<u64> {
        self.head(field, UINT, "an unsigned integer")
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32> {
        let value = self.uint(field)?;
        u32::try_from(value).map_err(|_| DecodeError::value(field, &value, "at most 4294967295"))
    }

    /// A byte string of at most `most` bytes.
    pub(crate) fn blob(&mut self, field: &'static str, most: usize) -> Result<&'a [u8]> {
        let len = self.head(field, BYTES, "a byte string")?;
        if len > most as u64 {
            return Err(DecodeError::Length { field, found: len, expected: format!("at most {most}") });
        }
        self.take(field, len)
    }

    /// A byte string of exactly N bytes.
    pub(crate) fn fixed<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N]> {
        let bytes = self.blob(field, N)?;
        let length = || DecodeError::Length { field, found: bytes.len() as u64, expected: N.to_string() };
        bytes.try_into().map_err(|_| length())
    }

    /// Text of at most `most` bytes.
    pub(crate) fn text(&mut self, field: &'static str, most: usize) -> Result<&'a str> {
        let len = self.head(field, TEXT, "text")?;
        if len > most as u64 {
            return Err(DecodeError::Length { field, found: len, expected: format!("at most {most}") });
        }
        let bytes = self.take(field, len)?;
        std::str::from_utf8(bytes).map_err(|_| DecodeError::value(field, "not UTF-8", "UTF-8"))
    }

    pub(crate) fn bool(&mut self, field: &'static str) -> Result<bool> {
        match self.take(field, 1)?[0] {
            FALSE => Ok(false),
            TRUE => Ok(true),
            found => Err(DecodeError::Form { field, found, expected: "a boolean" }),
        }
    }

    /// The head of an array of at most `most` items. Every item has at least a byte, so that a count that the input can't
    /// hold is refused before anything is kept for it.
    pub(crate) fn list(&mut self, field: &'static str, most: usize) -> Result<usize> {
        let items = self.head(field, ARRAY, "an array")?;
        if items > most as u64 {
            return Err(DecodeError::Length { field, found: items, expected: format!("at most {most}") });
        }
        if items > self.rest.len() as u64 {
            return Err(DecodeError::Truncated { field, needed: items, left: self.rest.len() as u64 });
        }
        // At most `most`, a usize.
        Ok(items as usize)
    }

    /// The head of an array of exactly `items` items.
    pub(crate) fn array(&mut self, field: &'static str, items: usize) -> Result<()> {
        let found = self.list(field, usize::MAX)?;
        if found == items {
            return Ok(());
        }
        Err(DecodeError::Length { field, found: found as u64, expected: items.to_string() })
    }

    /// What [`Writer::option`] wrote.
    pub(crate) fn option<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<Option<T>> {
        if self.list(field, 1)? == 0 { Ok(None) } else { read(self).map(Some) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn heads_are_those_of_the_rfc() {
        // RFC 8949, appendix A.
        let examples: [(u64, &[u8]); 9] = [
            (0, &[0x00]),
            (23, &[0x17]),
            (24, &[0x18, 0x18]),
            (100, &[0x18, 0x64]),
            (1000, &[0x19, 0x03, 0xe8]),
            (1_000_000, &[0x1a, 0x00, 0x0f, 0x42, 0x40]),
            (1_000_000_000_000, &[0x1b, 0x00, 0x00, 0x00, 0xe8, 0xd4, 0xa5, 0x10, 0x00]),
            (u64::MAX, &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            (255, &[0x18, 0xff]),
        ];
        for (value, bytes) in examples {
            let mut out = Writer::default();
            out.uint(value);
            assert_eq!(out.finish(), bytes);
            assert_eq!(Reader::whole(bytes, |reader| reader.uint("n")), Ok(value));
        }
    }

    #[test]
    fn longer_forms_and_indefinite_lengths_are_refused() {
        let uint = |bytes: &[u8]| Reader::whole(bytes, |reader| reader.uint("n"));
        for bytes in
            [&[0x18, 23][..], &[0x19, 0, 255], &[0x1a, 0, 0, 255, 255], &[0x1b, 0, 0, 0, 0, 9, 9, 9, 9], &[0x1f]]
        {
            assert!(matches!(uint(bytes), Err(DecodeError::Form { .. })), "{bytes:?}");
        }
        assert!(matches!(uint(&[0x20]), Err(DecodeError::Form { .. })), "a negative number");
        assert!(matches!(uint(&[0x19, 1]), Err(DecodeError::Truncated { .. })));
        assert!(matches!(uint(&[0x01, 0x01]), Err(DecodeError::Trailing { bytes: 1 })));
        assert!(matches!(Reader::whole(&[0x9f, 0xff], |r| r.list("l", 9)), Err(DecodeError::Form { .. })));
        // An array of 2^63 items in nine bytes.
        let huge = [0x9b, 0x80, 0, 0, 0, 0, 0, 0, 0];
        assert!(Reader::whole(&huge, |r| r.list("l", usize::MAX)).is_err());
        assert!(matches!(Reader::whole(&[0x61, 0xff], |r| r.text("t", 9).map(drop)), Err(DecodeError::Value { .. })));
        assert!(matches!(Reader::whole(&[0xf6], |r| r.bool("b")), Err(DecodeError::Form { .. })));
        assert!(matches!(Reader::whole(&[0x41, 1], |r| r.fixed::<2>("f")), Err(DecodeError::Length { .. })));
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_another_library_writes(
            number: u64, bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,40}", flag: bool
        ) {
            use ciborium::Value;
            let mut out = Writer::default();
            out.array(4).uint(number).bytes(&bytes).text(&text).bool(flag);
            let value = Value::Array(vec![number.into(), Value::Bytes(bytes), Value::Text(text), Value::Bool(flag)]);
            let mut theirs = Vec::new();
            ciborium::into_writer(&value, &mut theirs).unwrap();
            prop_assert_eq!(out.finish(), theirs);
        }
    }
}
