//! Canonical encoding: little-endian, fixed width or length-prefixed, one byte string per value.

use super::bytes::{Digest, PublicKey, Signature};
use super::error::DecodeError;

/// Writes fields one after another.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.raw(&[value])
    }

    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn f64(&mut self, value: f64) -> &mut Self {
        // Plus zero is the only zero.
        self.u64((value + 0.0).to_bits())
    }

    pub(crate) fn flag(&mut self, value: bool) -> &mut Self {
        self.u8(u8::from(value))
    }

    /// A u64 length and the bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.u64(bytes.len() as u64).raw(bytes)
    }

    /// A flag and, where set, the digest.
    pub(crate) fn optional_digest(&mut self, digest: Option<&Digest>) -> &mut Self {
        self.flag(digest.is_some());
        if let Some(digest) = digest {
            self.raw(&digest.0);
        }
        self
    }
}

/// Reads fields one after another. Nothing is allocated that the input does not contain.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

type Result<T> = std::result::Result<T, DecodeError>;

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Reads a whole value: nothing may follow it.
    pub(crate) fn whole<T>(bytes: &'a [u8], read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let mut reader = Self::new(bytes);
        let value = read(&mut reader)?;
        match reader.left() {
            0 => Ok(value),
            bytes => Err(DecodeError::Trailing { bytes }),
        }
    }

    pub(crate) fn raw(&mut self, field: &'static str, len: usize) -> Result<&'a [u8]> {
        match self.rest.split_at_checked(len) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(DecodeError::Truncated { field, needed: len as u64, left: self.rest.len() as u64 }),
        }
    }

    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.raw(field, N)?);
        Ok(out)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8> {
        Ok(self.array::<1>(field)?[0])
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16> {
        self.array(field).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64> {
        self.array(field).map(u64::from_le_bytes)
    }

    pub(crate) fn digest(&mut self, field: &'static str) -> Result<Digest> {
        self.array(field).map(Digest)
    }

    pub(crate) fn key(&mut self, field: &'static str) -> Result<PublicKey> {
        self.array(field).map(PublicKey)
    }

    pub(crate) fn signature(&mut self, field: &'static str) -> Result<Signature> {
        self.array(field).map(Signature)
    }

    /// Finite, and not minus zero: other floats have no place in a canonical encoding.
    pub(crate) fn f64(&mut self, field: &'static str) -> Result<f64> {
        let value = f64::from_bits(self.u64(field)?);
        if !value.is_finite() || (value == 0.0 && value.is_sign_negative()) {
            return Err(DecodeError::invalid(field, format!("{value}"), "a finite number that is not minus zero"));
        }
        Ok(value)
    }

    pub(crate) fn flag(&mut self, field: &'static str) -> Result<bool> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(DecodeError::invalid(field, other.to_string(), "0 or 1")),
        }
    }

    /// A length-prefixed byte string of at most `limit` bytes.
    pub(crate) fn bytes(&mut self, field: &'static str, limit: u64) -> Result<&'a [u8]> {
        let len = self.u64(field)?;
        if len > limit {
            return Err(DecodeError::TooLong { field, found: len, limit });
        }
        match usize::try_from(len) {
            Ok(len) => self.raw(field, len),
            Err(_) => Err(DecodeError::Truncated { field, needed: len, left: self.left() as u64 }),
        }
    }

    /// How many items follow: at most `limit`, and no more than fit what is left at `least_bytes` each.
    pub(crate) fn count(&mut self, field: &'static str, limit: u32, least_bytes: usize) -> Result<usize> {
        let count = self.u32(field)?;
        if count > limit {
            return Err(DecodeError::TooLong { field, found: u64::from(count), limit: u64::from(limit) });
        }
        let needed = u64::from(count) * least_bytes as u64;
        if needed > self.left() as u64 {
            return Err(DecodeError::Truncated { field, needed, left: self.left() as u64 });
        }
        Ok(count as usize)
    }

    pub(crate) fn optional_digest(&mut self, field: &'static str) -> Result<Option<Digest>> {
        Ok(if self.flag(field)? { Some(self.digest(field)?) } else { None })
    }

    /// A magic number.
    pub(crate) fn magic(&mut self, what: &'static str, expected: &[u8; 8]) -> Result<()> {
        let found: [u8; 8] = self.array(what)?;
        if &found != expected {
            let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
            return Err(DecodeError::invalid(what, text(&found), text(expected)));
        }
        Ok(())
    }
}
