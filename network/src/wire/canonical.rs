//! CBOR (RFC 8949) as written by ciborium from the structures of this module: shortest integers, definite lengths, fields in
//! the order of their declaration. That form alone is read.

use std::io::Write;

use super::body::Body;
use super::error::WireError;

/// Deeper than any message here nests.
const RECURSION_LIMIT: usize = 16;

pub(super) fn encode<T: Body>(message: &'static str, body: &T, limit: u32) -> Result<Vec<u8>, WireError> {
    body.check(message)?;
    let mut bytes = Vec::new();
    write(body, &mut bytes).map_err(|reason| WireError::Malformed { message, reason })?;
    if bytes.len() as u64 > u64::from(limit) {
        return Err(WireError::TooLarge { message, bytes: bytes.len() as u64, limit: u64::from(limit) });
    }
    Ok(bytes)
}

pub(super) fn decode<T: Body>(message: &'static str, bytes: &[u8]) -> Result<T, WireError> {
    let body: T = ciborium::de::from_reader_with_recursion_limit(bytes, RECURSION_LIMIT)
        .map_err(|error| WireError::Malformed { message, reason: error.to_string() })?;
    body.check(message)?;
    let mut comparison = Comparison { rest: bytes, same: true };
    write(&body, &mut comparison).map_err(|reason| WireError::Malformed { message, reason })?;
    if !comparison.same || !comparison.rest.is_empty() {
        return Err(WireError::NotCanonical { message });
    }
    Ok(body)
}

fn write<T: Body>(body: &T, out: impl Write) -> Result<(), String> {
    ciborium::into_writer(body, out).map_err(|error| error.to_string())
}

/// Compares what is written with what was read, so that no second copy is held.
struct Comparison<'a> {
    rest: &'a [u8],
    same: bool,
}

impl Write for Comparison<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.rest.strip_prefix(bytes) {
            Some(rest) => self.rest = rest,
            None => self.same = false,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
