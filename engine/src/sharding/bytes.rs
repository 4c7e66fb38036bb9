//! Numbers as bytes, little-endian.

use crate::error::Result;
use crate::sharding::error::CollectiveError;

/// Appends f32 values.
pub(crate) fn put_f32(out: &mut Vec<u8>, values: &[f32]) {
    let start = out.len();
    out.resize(start + 4 * values.len(), 0);
    for (bytes, value) in out[start..].as_chunks_mut::<4>().0.iter_mut().zip(values) {
        *bytes = value.to_le_bytes();
    }
}

/// Appends f64 values.
pub(crate) fn put_f64(out: &mut Vec<u8>, values: &[f64]) {
    values.iter().for_each(|value| out.extend(value.to_le_bytes()));
}

/// Copies f32 values into `out`, which is as long as `bytes` has values.
pub(crate) fn copy_f32(bytes: &[u8], out: &mut [f32]) {
    for (bytes, value) in bytes.as_chunks::<4>().0.iter().zip(out) {
        *value = f32::from_le_bytes(*bytes);
    }
}

/// f32 values.
pub(crate) fn get_f32(bytes: &[u8]) -> Vec<f32> {
    let mut out = vec![0.0; bytes.len() / 4];
    copy_f32(bytes, &mut out);
    out
}

/// f64 values.
pub(crate) fn get_f64(bytes: &[u8]) -> Vec<f64> {
    bytes.as_chunks::<8>().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect()
}

/// Fails unless a message has the length that it must have.
pub(crate) fn check_len(peer: usize, found: usize, expected: usize, what: &str) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let reason = format!("{what} has {found} bytes, expected {expected}");
    Err(CollectiveError::Unexpected { peer, reason }.into())
}
